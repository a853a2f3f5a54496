import Type from 'typebox';
import { conditions } from './conditions.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;

/** The short form of an application: a repository whose manifests are kept in place. */
export const GITOPS_REPOSITORY = defineKind({
  kind: 'GitopsRepository',
  plural: 'gitopsrepositories',
  shortNames: ['gitopsrepo'],
  categories: ['cd'],
  description: 'A Git repository whose manifests are kept in place in this namespace.',
  spec: Type.Object({
    repositoryUrl: Type.String({ minLength: 1, description: 'Address of the repository.' }),
    scmSecret: optional(Type.String({ description: 'Secret with the credentials for it.' })),
    path: optional(Type.String({ default: '.', description: 'Directory with the manifests.' })),
    revision: optional(Type.String({ default: 'HEAD', description: 'Branch, tag or commit.' })),
    federated: optional(
      Type.Boolean({ default: false, description: 'Also on every cluster that this namespace has added.' }),
    ),
    suspended: optional(Type.Boolean({ default: false, description: 'Nothing is synchronised by itself.' })),
  }),
  status: Type.Object({
    application: optional(Type.String({ description: 'The Application that does it.' })),
    revision: optional(Type.String({ description: 'Commit that is in place.' })),
    clusters: optional(
      Type.Array(
        Type.Object({
          name: Type.String({ description: 'The cluster.' }),
          application: Type.String({ description: 'The Application that does it there.' }),
          revision: optional(Type.String({ description: 'Commit that is in place there.' })),
          ready: Type.Boolean({ description: 'Everything is in place there, and well.' }),
          message: Type.String(),
        }),
        { description: 'Where it is federated.' },
      ),
    ),
    conditions,
  }),
  columns: [
    { name: 'Repository', type: 'string', jsonPath: '.spec.repositoryUrl' },
    { name: 'Revision', type: 'string', jsonPath: '.status.revision' },
    { name: 'Suspended', type: 'boolean', jsonPath: '.spec.suspended' },
  ],
});
