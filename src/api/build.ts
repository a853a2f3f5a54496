import Type from 'typebox';
import { conditions } from './conditions.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });

/** What an event led to: the record of everything that happened before a pipeline ran, and of what was reported. */
export const BUILD = defineKind({
  kind: 'Build',
  plural: 'builds',
  categories: ['ci'],
  description:
    'An event of a repository and what it led to: a pipeline run, nothing, or an error that tells why.',
  spec: Type.Object({
    repository: Type.String({ minLength: 1, description: 'Name of the Repository.' }),
    event: Type.Object(
      {
        type: Type.String({
          description: 'push, tag, release, pull_request, comment, image, cron or manual.',
        }),
        commit: optional(text('Commit that it is about.')),
        before: optional(text('Commit that the branch was at before.')),
        branch: optional(text('Branch that was pushed to.')),
        tag: optional(text('Tag of a tag, release or image.')),
        number: optional(Type.Integer({ description: 'Number of the pull request.' })),
        source: optional(text('Branch of the pull request.')),
        target: optional(text('Branch that the pull request is for.')),
        labels: optional(Type.Array(Type.String(), { description: 'Labels of the pull request.' })),
        isFork: optional(Type.Boolean({ description: 'It comes from another repository.' })),
        author: optional(text('Who did it.')),
        body: optional(text('The comment.')),
        name: optional(text('Name of the action that the clock starts.')),
        tasks: optional(Type.Array(Type.String(), { description: 'Tasks that were asked for by hand.' })),
      },
      { description: 'What happened.' },
    ),
    approved: optional(
      Type.Boolean({ description: 'A maintainer let the pull request of somebody else run.' }),
    ),
  }),
  status: Type.Object({
    phase: optional(
      Type.String({ description: 'Pending, Waiting, Running, Succeeded, Failed, Cancelled or Ignored.' }),
    ),
    message: optional(text('Why, in a sentence; the errors of a Dispatchfile.')),
    commit: optional(text('Commit that is built.')),
    number: optional(Type.Integer({ minimum: 1, description: 'Number of the build in its repository.' })),
    pipelineRun: optional(text('The run that it led to.')),
    reports: optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'What the provider was told last, by context.',
      }),
    ),
    startedAt: optional(text('When it was begun.')),
    finishedAt: optional(text('When it ended.')),
    conditions,
  }),
  columns: [
    { name: 'Repository', type: 'string', jsonPath: '.spec.repository' },
    { name: 'Event', type: 'string', jsonPath: '.spec.event.type' },
    { name: 'Number', type: 'integer', jsonPath: '.status.number' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Run', type: 'string', jsonPath: '.status.pipelineRun' },
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
  ],
});
