import Type from 'typebox';
import { conditions } from './conditions.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;

/** A Git repository whose events start pipelines. */
export const REPOSITORY = defineKind({
  kind: 'Repository',
  plural: 'repositories',
  shortNames: ['repo'],
  categories: ['ci'],
  description: 'A Git repository whose events start the pipelines that its Dispatchfile describes.',
  spec: Type.Object({
    repository: optional(Type.String({ description: 'Name at its provider: owner/name.' })),
    url: optional(Type.String({ description: 'Address to clone from, instead of a name.' })),
    secret: optional(Type.String({ description: 'Secret with the credentials of the provider.' })),
    serviceAccount: optional(
      Type.String({ default: 'default', description: 'Account that its pipelines run as.' }),
    ),
    dispatchfile: optional(
      Type.Object(
        {
          path: optional(
            Type.String({ default: 'Dispatchfile', minLength: 1, description: 'Path of the pipeline file.' }),
          ),
          repository: optional(Type.String({ description: 'Another repository that holds the file.' })),
          revision: optional(
            Type.String({ description: "Revision to read it at; the event's own when absent." }),
          ),
        },
        { default: {}, description: 'Where the pipelines are described.' },
      ),
    ),
    baseUrl: optional(Type.String({ description: 'Web address of the provider, for those on premises.' })),
    endpoint: optional(Type.String({ description: 'API address of the provider, for those on premises.' })),
    webhookSecret: optional(Type.String({ description: "Secret that signs the webhook's deliveries." })),
    logStorageRules: optional(
      Type.Array(
        Type.Object({
          maxAge: optional(Type.String({ description: 'Logs older than this go, for example 720h.' })),
          maxCount: optional(
            Type.Integer({ minimum: 0, description: 'At most so many runs keep their logs.' }),
          ),
        }),
        { description: 'How long logs are kept.' },
      ),
    ),
    timeout: optional(Type.String({ default: '1h', description: 'Longest time that a pipeline may take.' })),
    podTemplateFrom: optional(
      Type.Object({
        configMap: Type.Object({
          name: Type.String({ minLength: 1 }),
          key: optional(Type.String({ default: 'template' })),
          optional: optional(Type.Boolean({ default: false })),
        }),
      }),
    ),
    provider: optional(
      Type.String({
        description: 'What kind of provider it is at, where neither its address nor its credentials tell.',
      }),
    ),
    forks: optional(
      Type.Union([Type.Literal('approve'), Type.Literal('never')], {
        default: 'approve',
        description: 'Pull requests of others: wait for /ok-to-test of a maintainer, or never run.',
      }),
    ),
    disableAutoCancel: optional(
      Type.Boolean({ default: false, description: 'Let older runs go on when a newer commit arrives.' }),
    ),
  }),
  status: Type.Object({
    webhook: optional(
      Type.Object({
        path: optional(Type.String()),
        id: optional(Type.String()),
        url: optional(Type.String()),
      }),
    ),
    cron: optional(Type.Record(Type.String(), Type.String())),
    buildCounter: optional(Type.Integer({ minimum: 0 })),
    conditions,
  }),
  columns: [
    { name: 'Repository', type: 'string', jsonPath: '.spec.repository' },
    { name: 'Builds', type: 'integer', jsonPath: '.status.buildCounter' },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  ],
});
