import Type from 'typebox';
import { phase, reasons } from './phase.ts';
import { defineKind } from './kind.ts';

const list = (description: string): ReturnType<typeof Type.Array> =>
  Type.Array(Type.String(), { description });

/** Who may do what with functions and their like, in few words. */
export const POLICY = defineKind({
  kind: 'Policy',
  plural: 'policies',
  categories: ['run'],
  description: 'Who may do what with functions and their like, in few words.',
  spec: Type.Object({
    global: Type.Optional(Type.Boolean({ description: 'In all namespaces.' })),
    rules: Type.Array(
      Type.Object({
        subjects: list('Users and service accounts.'),
        actions: list('get, create, update, delete, or "*".'),
        resources: list(
          'api, baseimage, event, function, iam, image, runs, secret, service, subscription, or "*".',
        ),
      }),
      { description: 'What is allowed.' },
    ),
  }),
  status: Type.Object({ phase, reason: reasons }),
  columns: [
    { name: 'Global', type: 'boolean', jsonPath: '.spec.global' },
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
  ],
});

/** A namespace with people of its own. */
export const ORGANIZATION = defineKind({
  kind: 'Organization',
  plural: 'organizations',
  shortNames: ['org'],
  categories: ['run'],
  description: 'A namespace with people of its own.',
  spec: Type.Object({
    description: Type.Optional(Type.String({ description: 'What it is for.' })),
  }),
  status: Type.Object({ phase, reason: reasons }),
  columns: [{ name: 'Status', type: 'string', jsonPath: '.status.phase' }],
});
