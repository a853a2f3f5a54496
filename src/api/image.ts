import Type from 'typebox';
import { phase, reasons } from './phase.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });

/** A base image with what functions need beside their own code. */
export const IMAGE = defineKind({
  kind: 'Image',
  plural: 'images',
  categories: ['run'],
  description: 'A base image with what functions need beside their own code.',
  spec: Type.Object({
    baseImage: Type.String({ minLength: 1, description: 'BaseImage in the same namespace.' }),
    runtimeDependencies: optional(
      Type.Object(
        {
          manifest: optional(text('package.json, requirements.txt, pom.xml or requirements.psd1, as text.')),
        },
        { description: 'Libraries of the language.' },
      ),
    ),
    systemDependencies: optional(
      Type.Object(
        {
          packages: optional(
            Type.Array(
              Type.Object({ name: text('Name of the package.'), version: optional(text('Its version.')) }),
              {
                description: 'Packages of the system.',
              },
            ),
          ),
        },
        { description: 'What the package manager of the base image installs.' },
      ),
    ),
  }),
  status: Type.Object({
    phase,
    reason: reasons,
    language: optional(text('That of the base image.')),
    image: optional(text('Name of the image that was built.')),
    digest: optional(text('Its digest.')),
    builtFrom: optional(text('Tells whether what it is made of has changed.')),
  }),
  columns: [
    { name: 'Image', type: 'string', jsonPath: '.status.image' },
    { name: 'BaseImage', type: 'string', jsonPath: '.spec.baseImage' },
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
  ],
});
