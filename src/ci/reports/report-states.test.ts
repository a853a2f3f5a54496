import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Build, Run } from '../resources.ts';
import { missingStates, wantedReports } from './report-states.ts';

test('states are told in their order, none left out and none twice', () => {
  assert.deepEqual(missingStates(undefined, 'success'), ['pending', 'running', 'success']);
  assert.deepEqual(missingStates('pending', 'failure'), ['running', 'failure']);
  assert.deepEqual(missingStates('running', 'running'), []);
  assert.deepEqual(missingStates(undefined, 'pending'), ['pending']);
  assert.deepEqual(missingStates('running', 'pending'), []);
  // What has ended stays ended, whatever comes late.
  assert.deepEqual(missingStates('success', 'running'), []);
  assert.deepEqual(missingStates('cancelled', 'cancelled'), []);
});

test('what is reported of a build and its tasks', () => {
  const build = { status: { phase: 'Failed', message: 'first line\nsecond' } } as unknown as Build;
  const condition = (status: string, reason: string): object => ({
    status: { conditions: [{ type: 'Succeeded', status, reason, message: reason }] },
  });
  const run = {
    spec: { pipelineSpec: { tasks: ['good', 'bad', 'cancelled', 'skipped'].map((name) => ({ name })) } },
    ...condition('False', 'Failed'),
  } as unknown as Run;
  const task = (name: string, status: string, reason: string): Run =>
    ({
      metadata: { labels: { 'tekton.dev/pipelineTask': name } },
      ...condition(status, reason),
    }) as unknown as Run;
  const reports = wantedReports(build, run, [
    task('good', 'True', 'Succeeded'),
    task('bad', 'False', 'Failed'),
    task('cancelled', 'False', 'TaskRunCancelled'),
  ]);
  assert.deepEqual(
    [...reports].map(([context, { state }]) => [context, state]),
    [
      ['dispatch', 'failure'],
      ['dispatch/good', 'success'],
      ['dispatch/bad', 'failure'],
      ['dispatch/cancelled', 'cancelled'],
      ['dispatch/skipped', 'cancelled'],
    ],
  );
  assert.equal(reports.get('dispatch')?.description, 'first line');
  assert.equal(wantedReports({ status: { phase: 'Ignored' } } as unknown as Build, undefined, []).size, 0);
});
