import Type from 'typebox';
import { conditions } from './conditions.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });

/** A proposal to take the commits of one branch of a repository of this server into another. */
export const CHANGE_REQUEST = defineKind({
  kind: 'ChangeRequest',
  plural: 'changerequests',
  shortNames: ['change', 'cr'],
  categories: ['cd'],
  description: 'A proposal to take the commits of one branch of a repository of this server into another.',
  spec: Type.Object({
    repository: Type.String({ minLength: 1, description: 'Repository in the same namespace.' }),
    source: Type.String({ minLength: 1, description: 'Branch with the commits.' }),
    target: Type.String({ minLength: 1, description: 'Branch that they are for.' }),
    title: optional(text('What it is about, in a line.')),
    body: optional(text('Why.')),
    author: optional(text('Who proposes it.')),
    labels: optional(Type.Array(Type.String(), { description: 'Words by which actions select it.' })),
    reviews: optional(
      Type.Array(
        Type.Object({
          by: text('Who has looked at it.'),
          verdict: Type.Union([Type.Literal('approve'), Type.Literal('reject')], {
            description: 'What they think of it.',
          }),
          commit: optional(text('The commit that they have seen.')),
        }),
        { description: 'What others think of it.' },
      ),
    ),
    comments: optional(
      Type.Array(
        Type.Object({ by: text('Who says it.'), text: text('What.'), at: optional(text('When.')) }),
        {
          description: 'What was said about it; "/build" and others start tasks.',
        },
      ),
    ),
    merge: optional(
      Type.Object(
        {
          strategy: optional(
            Type.Union([Type.Literal('merge'), Type.Literal('squash'), Type.Literal('rebase')], {
              default: 'merge',
              description: 'How the commits are taken over.',
            }),
          ),
          by: optional(text('Who wants it.')),
        },
        { description: 'Asks for the commits to be taken over.' },
      ),
    ),
    closed: optional(Type.Boolean({ description: 'It is given up.' })),
  }),
  status: Type.Object({
    phase: optional(text('Open, Merged, Closed or Conflict.')),
    number: optional(Type.Integer({ minimum: 1, description: 'Its number in the repository.' })),
    head: optional(text('Newest commit of the source.')),
    base: optional(text('Newest commit of the target.')),
    mergeable: optional(Type.Boolean({ description: 'Whether it can be taken over as it is.' })),
    mergeCommit: optional(text('The commit that it became.')),
    mergedBy: optional(text('Who has taken it over.')),
    checks: optional(
      Type.Record(
        Type.String(),
        Type.Object({
          state: text('pending, running, success, failure or cancelled.'),
          description: optional(text('In a sentence.')),
          url: optional(text('Where to read more.')),
        }),
        { description: 'What pipelines and plans say of the newest commit.' },
      ),
    ),
    told: optional(Type.Integer({ description: 'How many comments have been passed on.' })),
    message: optional(text('Why it cannot be taken over.')),
    waits: optional(Type.Boolean({ description: 'It is to be taken over, after its checks.' })),
    conditions,
  }),
  columns: [
    { name: 'Repository', type: 'string', jsonPath: '.spec.repository' },
    { name: 'Number', type: 'integer', jsonPath: '.status.number' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Title', type: 'string', jsonPath: '.spec.title' },
    { name: 'Source', type: 'string', jsonPath: '.spec.source', priority: 1 },
    { name: 'Target', type: 'string', jsonPath: '.spec.target', priority: 1 },
  ],
});
