import Type from 'typebox';
import { phase, reasons } from './phase.ts';
import { defineKind } from './kind.ts';

const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });

/** An image in which functions of a language can run. */
export const BASE_IMAGE = defineKind({
  kind: 'BaseImage',
  plural: 'baseimages',
  shortNames: ['base-image'],
  categories: ['run'],
  description: 'An image in which functions of a language can run.',
  spec: Type.Object({
    image: Type.String({ minLength: 1, description: 'Name of the image, as it is pulled.' }),
    language: Type.Optional(text('nodejs, python3, java, powershell, or any other word.')),
  }),
  status: Type.Object({
    phase,
    reason: reasons,
    digest: Type.Optional(text('What the name stood for when it was looked up.')),
    checkedAt: Type.Optional(text('When it was looked up.')),
  }),
  columns: [
    { name: 'Language', type: 'string', jsonPath: '.spec.language' },
    { name: 'Image', type: 'string', jsonPath: '.spec.image' },
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
  ],
});
