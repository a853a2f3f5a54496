import Type from 'typebox';
import { phase, reasons } from './phase.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });
const settings = optional(
  Type.Array(Type.Object({ key: text('Name.'), value: optional(text('Value.')) }), {
    description: 'Settings, which become arguments: --key=value.',
  }),
);

/** A program that makes events. */
export const EVENT_DRIVER_TYPE = defineKind({
  kind: 'EventDriverType',
  plural: 'eventdrivertypes',
  shortNames: ['drivertype'],
  categories: ['run'],
  description: 'A program that makes events.',
  spec: Type.Object({
    image: Type.String({ minLength: 1, description: 'Image of the program.' }),
    expose: optional(
      Type.Boolean({ description: 'It answers HTTP on port 80, and is to be reached from outside.' }),
    ),
    config: settings,
  }),
  status: Type.Object({ phase, reason: reasons }),
  columns: [
    { name: 'Image', type: 'string', jsonPath: '.spec.image' },
    { name: 'Expose', type: 'boolean', jsonPath: '.spec.expose' },
  ],
});

/** Makes events as its type says. */
export const EVENT_DRIVER = defineKind({
  kind: 'EventDriver',
  plural: 'eventdrivers',
  shortNames: ['driver'],
  categories: ['run'],
  description: 'Makes events as its type says.',
  spec: Type.Object({
    type: Type.String({
      minLength: 1,
      description: 'EventDriverType in the same namespace, or a built-in one.',
    }),
    config: settings,
    secrets: optional(
      Type.Array(Type.String(), { description: 'Secrets that the program finds in its environment.' }),
    ),
  }),
  status: Type.Object({
    phase,
    reason: reasons,
    url: optional(text('Where it can be reached.')),
  }),
  columns: [
    { name: 'Type', type: 'string', jsonPath: '.spec.type' },
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
    { name: 'URL', type: 'string', jsonPath: '.status.url' },
  ],
});
