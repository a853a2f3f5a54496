import Type from 'typebox';
import { conditions } from './conditions.ts';
import { defineKind } from './kind.ts';

/** An image whose pushes start pipelines. */
export const IMAGE_REPOSITORY = defineKind({
  kind: 'ImageRepository',
  plural: 'imagerepositories',
  categories: ['ci'],
  description: 'An image whose pushes start the pipelines of a repository that ask for it.',
  spec: Type.Object({
    image: Type.String({ minLength: 1, description: 'Name of the image without a tag: registry/team/app.' }),
    repository: Type.String({
      minLength: 1,
      description: 'Repository whose Dispatchfile says what is done.',
    }),
    webhookSecret: Type.Optional(
      Type.String({ description: 'Secret with the token that deliveries of its registry carry.' }),
    ),
  }),
  status: Type.Object({
    lastTag: Type.Optional(Type.String({ description: 'Tag that was pushed last.' })),
    conditions,
  }),
  columns: [
    { name: 'Image', type: 'string', jsonPath: '.spec.image' },
    { name: 'Repository', type: 'string', jsonPath: '.spec.repository' },
    { name: 'Last tag', type: 'string', jsonPath: '.status.lastTag' },
  ],
});
