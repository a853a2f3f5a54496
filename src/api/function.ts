import Type from 'typebox';
import { phase, reasons } from './phase.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });
const count = (minimum: number, description: string): ReturnType<typeof Type.Integer> =>
  Type.Integer({ minimum, description });
const open = (description: string): ReturnType<typeof Type.Object> =>
  Type.Object({}, { description, 'x-kubernetes-preserve-unknown-fields': true });

/** Code that runs when it is called. */
export const FUNCTION = defineKind({
  kind: 'Function',
  plural: 'functions',
  shortNames: ['fn'],
  categories: ['run'],
  description: 'Code that runs when it is called.',
  spec: Type.Object({
    image: Type.String({
      minLength: 1,
      description: 'Image in the same namespace; for HTTP containers any image.',
    }),
    handler: optional(
      text('Which function of the source: "./file.js", "module.function", "file.ps1::handle", a class.'),
    ),
    http: optional(Type.Boolean({ description: 'The image answers HTTP by itself, on the port in $PORT.' })),
    cloudEvents: optional(
      Type.Boolean({ description: 'The handler takes an event, and gives none or one back.' }),
    ),
    source: optional(
      Type.Object(
        {
          files: optional(
            Type.Record(Type.String(), Type.String(), { description: 'Files by their paths, as text.' }),
          ),
          digest: optional(text('A source that was uploaded: "sha256:…".')),
        },
        { description: 'The code: files, or what was uploaded.' },
      ),
    ),
    schema: optional(
      Type.Object(
        {
          in: optional(open('JSON schema of the input.')),
          out: optional(open('JSON schema of the output.')),
        },
        { description: 'What the function takes and gives.' },
      ),
    ),
    secrets: optional(Type.Array(Type.String(), { description: 'Secrets that the function is given.' })),
    services: optional(
      Type.Array(Type.String(), {
        description:
          'Secrets with the credentials of services: each is given by its name, under serviceBindings.',
      }),
    ),
    env: optional(Type.Record(Type.String(), Type.String(), { description: 'Environment of the process.' })),
    timeout: optional(count(0, 'Milliseconds that a call may take; 0 means the longest that is allowed.')),
    memory: optional(text('Most memory of an instance, like 256Mi.')),
    cpu: optional(text('Most processor time of an instance, like 500m.')),
    minScale: optional(count(0, 'Instances that are always there.')),
    maxScale: optional(count(1, 'Most instances at a time.')),
    concurrency: optional(count(1, 'Calls that an instance works on at a time.')),
    idleTimeout: optional(text('How long an instance without calls stays, like 60s.')),
    traffic: optional(
      Type.Array(
        Type.Object({
          revision: text('Name of a revision.'),
          weight: Type.Integer({
            minimum: 0,
            maximum: 100,
            description: 'Its share of the calls, in percent.',
          }),
        }),
        { description: 'Shares of earlier revisions; the newest gets what is left.' },
      ),
    ),
  }),
  status: Type.Object({
    phase,
    reason: reasons,
    observedGeneration: optional(Type.Integer({ description: 'The generation that this is about.' })),
    revision: optional(text('The revision that calls go to.')),
    revisions: optional(
      Type.Array(
        Type.Object({
          name: text('Its name.'),
          number: Type.Integer({ description: 'Counts up.' }),
          createdAt: text('When it was made.'),
          image: text('The image that it runs in.'),
        }),
        { description: 'The last revisions, newest first.' },
      ),
    ),
    image: optional(text('Name of the image that it runs in.')),
    instances: optional(Type.Integer({ description: 'Instances that are there.' })),
  }),
  columns: [
    { name: 'Image', type: 'string', jsonPath: '.spec.image' },
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
    { name: 'Revision', type: 'string', jsonPath: '.status.revision' },
    { name: 'Reason', type: 'string', jsonPath: '.status.reason[0]', priority: 1 },
  ],
});
