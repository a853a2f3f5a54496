import Type from 'typebox';
import { phase, reasons } from './phase.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });
const texts = (description: string): ReturnType<typeof Type.Array> =>
  Type.Array(Type.String(), { description });
const flag = (description: string): ReturnType<typeof Type.Boolean> => Type.Boolean({ description });

/** A place on the gateway where a function answers. */
export const ENDPOINT = defineKind({
  kind: 'Endpoint',
  plural: 'endpoints',
  shortNames: ['api', 'apis'],
  categories: ['run'],
  description: 'A place on the gateway where a function answers.',
  spec: Type.Object({
    function: Type.String({ minLength: 1, description: 'Function in the same namespace.' }),
    paths: optional(
      texts('Paths as they are, "/" where there are none; one that ends with "/*" holds all below it.'),
    ),
    methods: optional(texts('Methods, GET where there are none.')),
    hosts: optional(texts('Names of hosts; all where there are none.')),
    httpsOnly: optional(flag('Only over HTTPS.')),
    enabled: optional(Type.Boolean({ default: true, description: 'Whether it answers at all.' })),
    cors: optional(flag('Pages of other origins may call it.')),
    corsOrigins: optional(texts('Which origins; all where there are none.')),
    auth: optional(
      Type.Union([Type.Literal('public'), Type.Literal('basic'), Type.Literal('key'), Type.Literal('jwt')], {
        default: 'public',
        description: 'Who may call it.',
      }),
    ),
    authSecret: optional(
      text('Secret with the users, keys or the key of tokens; NAME-auth where it is not given.'),
    ),
    rateLimit: optional(text('Calls of one client, like 10/s or 100/m.')),
    fullResponse: optional(flag('The function gives {statusCode, headers, body} instead of a body alone.')),
  }),
  status: Type.Object({
    phase,
    reason: reasons,
    urls: optional(texts('Where it answers.')),
  }),
  columns: [
    { name: 'Function', type: 'string', jsonPath: '.spec.function' },
    { name: 'Methods', type: 'string', jsonPath: '.spec.methods' },
    { name: 'Paths', type: 'string', jsonPath: '.spec.paths' },
    { name: 'Auth', type: 'string', jsonPath: '.spec.auth' },
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
  ],
});
