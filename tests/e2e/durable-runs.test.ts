import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { whyNoSandbox } from '../../src/node/index.ts';
import { Dispatch } from './dispatch.ts';

/** How often the server is killed. */
const KILLS = Number(process.env['DISPATCH_TEST_KILLS'] ?? 4);

interface Run {
  metadata: { name: string };
  spec: { input: { n?: string }; event?: { id: string } };
  status: { phase: string; finishedAt?: number };
}

describe('runs and events over crashes', { skip: whyNoSandbox() ?? false }, () => {
  let dispatch: Dispatch;

  before(async () => {
    dispatch = await Dispatch.make();
    await writeFile(
      join(dispatch.home, 'slow.js'),
      'module.exports = async (_, payload) => { await new Promise((r) => setTimeout(r, 20)); return payload; };',
    );
    await dispatch.up();
    for (const args of [
      ['create', 'seed-images'],
      ['create', 'function', 'later', 'slow.js', '--image', 'nodejs'],
      ['create', 'function', 'evented', 'slow.js', '--image', 'nodejs'],
      ['create', 'api', 'later', 'later', '-p', '/later', '-m', 'POST'],
      ['create', 'subscription', 'evented', '--name', 'evented', '--event-type', 'load.*'],
    ]) {
      const { code, stderr } = await dispatch.runIn(dispatch.home, ...args);
      assert.equal(code, 0, stderr);
    }
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=READY',
      'function/later',
      'function/evented',
      'subscription.dispatch.dev/evented',
      '--timeout=60s',
    );
    await dispatch.ok('create', 'serviceaccount', 'sender');
    await dispatch.ok(
      'create',
      'rolebinding',
      'sender',
      '--clusterrole=edit',
      '--serviceaccount=default:sender',
    );
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
  });

  const runsOf = async (fn: string): Promise<Run[]> => {
    const path = `/apis/run.dispatch.dev/v1alpha1/namespaces/default/functionruns?function=${fn}`;
    return (JSON.parse(await dispatch.ok('get', '--raw', path)) as { items: Run[] }).items;
  };

  test(`nothing that was accepted is lost when the server is killed ${KILLS} times under load`, async () => {
    const token = (await dispatch.ok('create', 'token', 'sender')).trim();
    const accepted = { runs: new Set<string>(), events: new Set<string>() };
    let count = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { http } = await dispatch.file();
      let isUp = true;
      const sending = Array.from({ length: 6 }, async (_, at) => {
        while (isUp) {
          count += 1;
          const n = String(count);
          try {
            if (at % 2 === 0) {
              const headers = { 'content-type': 'application/json', 'x-dispatch-blocking': 'false' };
              const answer = await fetch(`${http}/later`, {
                method: 'POST',
                headers,
                body: JSON.stringify({ n }),
              });
              if (answer.status === 202) accepted.runs.add(((await answer.json()) as { name: string }).name);
            } else {
              const headers = {
                'content-type': 'application/cloudevents+json',
                authorization: `Bearer ${token}`,
              };
              const body = JSON.stringify({
                specversion: '1.0',
                id: n,
                source: `load/${at}`,
                subject: n,
                type: 'load.x',
                data: { n },
              });
              const answer = await fetch(`${http}/dispatch/events`, { method: 'POST', headers, body });
              if (answer.status === 202) accepted.events.add(n);
            }
          } catch {
            // The server is gone: what it did not say yes to may be lost.
          }
        }
      });
      const enough = accepted.runs.size + 25;
      while (accepted.runs.size < enough) await new Promise(setImmediate);
      await dispatch.kill('SIGKILL');
      isUp = false;
      await Promise.all(sending);
      await dispatch.up();
    }
    for (;;) {
      const runs = await runsOf('later');
      const done = new Set(
        runs.filter((run) => run.status.finishedAt !== undefined).map((run) => run.metadata.name),
      );
      const events = (await runsOf('evented')).flatMap((run) =>
        run.status.finishedAt === undefined ? [] : [run.spec.event!.id],
      );
      if ([...accepted.runs].some((name) => !done.has(name))) continue;
      if ([...accepted.events].some((id) => !events.includes(id))) continue;
      assert.equal(events.length, new Set(events).size, 'an event is one run');
      // One whose acceptance nobody heard of may still be under way.
      const failed = runs.filter(({ status }) => status.finishedAt !== undefined && status.phase !== 'READY');
      assert.deepEqual(failed, []);
      return;
    }
  });
});
