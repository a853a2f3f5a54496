import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CloudEvent, emitterFor, httpTransport, HTTP, Mode } from 'cloudevents';
import { whyNoSandbox } from '../../src/node/index.ts';
import { Dispatch } from './dispatch.ts';

interface Run {
  metadata: { name: string };
  spec: {
    input: { n?: number; [key: string]: unknown };
    event?: { id: string; type: string; subject?: string };
  };
  status: { phase: string; dead?: boolean; attempts: number; startedAt: number };
}

const RECORD = `
module.exports = async ({ event }, payload) => {
  if (payload.wait) await new Promise((resolve) => setTimeout(resolve, payload.wait));
  if (payload.fail) throw new Error('not today');
  return { id: event.id, payload };
};
`;

describe('events', { skip: whyNoSandbox() ?? false }, () => {
  let dispatch: Dispatch;
  let http = '';
  let token = '';

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await dispatch.runIn(dispatch.home, ...args);
    assert.equal(code, 0, `dispatch ${args.join(' ')}: ${stderr}${stdout.slice(-500)}`);
    return stdout;
  };
  const runsOf = async (fn: string, query = ''): Promise<Run[]> => {
    const path = `/apis/run.dispatch.dev/v1alpha1/namespaces/default/functionruns?function=${fn}${query}`;
    const { items } = JSON.parse(await dispatch.ok('get', '--raw', path)) as { items: Run[] };
    return items.filter((run) => run.status.phase !== 'INITIALIZED');
  };
  /** Asks again until it is so; the time limit is that of the test. */
  const until = async <T>(ask: () => Promise<T>, isDone: (value: T) => boolean): Promise<T> => {
    for (;;) {
      const value = await ask();
      if (isDone(value)) return value;
    }
  };
  const recorder = async (name: string, ...subscription: string[]): Promise<void> => {
    await ok('create', 'function', name, 'record.js', '--image', 'nodejs');
    await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', `function/${name}`, '--timeout=60s');
    await ok('create', 'subscription', name, '--name', name, ...subscription);
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=READY',
      `subscription.dispatch.dev/${name}`,
      '--timeout=20s',
    );
  };
  const post = (
    body: string,
    headers: Record<string, string>,
    path = '/dispatch/events',
  ): Promise<Response> =>
    fetch(http + path, { method: 'POST', body, headers: { authorization: `Bearer ${token}`, ...headers } });

  before(async () => {
    dispatch = await Dispatch.make();
    await mkdir(dispatch.home, { recursive: true });
    // Functions of events have an event: when they are only called, there is none.
    await writeFile(join(dispatch.home, 'record.js'), RECORD.replace('({ event }', '({ event = {} }'));
    await dispatch.up();
    ({ http } = await dispatch.file());
    await ok('create', 'seed-images');
    await dispatch.ok('create', 'serviceaccount', 'sender');
    await dispatch.ok(
      'create',
      'rolebinding',
      'sender',
      '--clusterrole=edit',
      '--serviceaccount=default:sender',
    );
    token = (await dispatch.ok('create', 'token', 'sender')).trim();
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
  });

  test('the official client sends in every mode, and every subscription gets every event', async () => {
    await recorder('all', '--event-type', 'sdk.*');
    await recorder('same', '--event-type', 'sdk.*');
    await recorder('exact', '--event-type', 'sdk.structured');
    const send = (mode: Mode): Promise<unknown> =>
      emitterFor(httpTransport(`${http}/dispatch/events`), { mode })(
        new CloudEvent({ type: `sdk.${mode}`, source: '/sdk', subject: 'ü', data: { mode } }),
        { headers: { authorization: `Bearer ${token}` } },
      );
    await send(Mode.BINARY);
    await send(Mode.STRUCTURED);
    const batch = [1, 2].map(
      (n) => HTTP.structured(new CloudEvent({ type: 'sdk.batch', source: '/sdk', data: { n } })).body,
    );
    const response = await post(`[${batch.join(',')}]`, {
      'content-type': 'application/cloudevents-batch+json',
    });
    assert.equal(response.status, 202);
    for (const fn of ['all', 'same']) {
      const runs = await until(
        () => runsOf(fn),
        (found) => found.filter((run) => run.spec.event).length >= 4,
      );
      const types = runs.flatMap((run) => run.spec.event?.type ?? []).toSorted();
      assert.deepEqual(types, ['sdk.batch', 'sdk.batch', 'sdk.binary', 'sdk.structured']);
      const binary = runs.find((run) => run.spec.event?.type === 'sdk.binary')!;
      assert.equal(binary.spec.event!.subject, 'ü');
      assert.deepEqual(binary.spec.input, { mode: 'binary' });
    }
    const only = await until(
      () => runsOf('exact'),
      (found) => found.some((run) => run.spec.event),
    );
    assert.deepEqual(
      only.flatMap((run) => run.spec.event?.type ?? []),
      ['sdk.structured'],
    );
  });

  test('events of the first version are understood, and what is none is refused', async () => {
    await recorder('old', '--event-type', 'old.one');
    const old = {
      cloudEventsVersion: '0.1',
      eventType: 'old.one',
      source: 'x',
      eventID: '1',
      data: { n: 1 },
      extensions: { Own: 'y' },
    };
    assert.equal(
      (await post(JSON.stringify(old), { 'content-type': 'application/cloudevents+json' })).status,
      202,
    );
    const [run] = await until(
      () => runsOf('old'),
      (found) => found.some((item) => item.spec.event),
    );
    assert.deepEqual(
      { ...run!.spec.event, time: undefined },
      {
        specversion: '1.0',
        id: '1',
        source: 'x',
        type: 'old.one',
        own: 'y',
        eventID: '1',
        eventType: 'old.one',
        cloudEventsVersion: '0.1',
        time: undefined,
      },
    );
    const event = { specversion: '1.0', id: '1', source: 's', type: 't' };
    for (const [body, words] of [
      ['{', /no JSON/],
      [JSON.stringify({ ...event, specversion: '0.3' }), /1\.0 and the older 0\.1/],
      [JSON.stringify({ ...event, id: '' }), /id/],
      [JSON.stringify({ ...event, type: undefined }), /no type/],
      [JSON.stringify({ ...event, time: 'yesterday' }), /time/],
      [JSON.stringify({ ...event, Bad_Name: 1 }), /Bad_Name/],
      [JSON.stringify({ ...event, data: 'x'.repeat(1024 * 1024) }), /larger/],
    ] as const) {
      const response = await post(body, { 'content-type': 'application/cloudevents+json' });
      assert.equal(response.status, 400, body.slice(0, 100));
      assert.match(((await response.json()) as { message: string }).message, words);
    }
  });

  test('only those add events who may, and only where they may', async () => {
    const event = JSON.stringify({ specversion: '1.0', id: 'x', source: 's', type: 't' });
    const headers = { 'content-type': 'application/cloudevents+json' };
    assert.equal((await post(event, { ...headers, authorization: '' })).status, 401);
    assert.equal((await post(event, { ...headers, authorization: 'Bearer wrong' })).status, 401);
    assert.equal((await post(event, headers, '/dispatch/events/kube-system')).status, 403);
    assert.equal((await post(event, headers, '/dispatch/events/default')).status, 202);
  });

  test('one event sent twice is one run, and what has one source and subject comes in order', async () => {
    await recorder('order', '--event-type', 'order.*');
    for (let n = 0; n < 20; n += 1)
      for (const subject of ['a', 'b']) {
        const event = {
          specversion: '1.0',
          id: `${subject}${n}`,
          source: 's',
          type: 'order.x',
          subject,
          data: { n, wait: n % 3 },
        };
        for (const _ of [1, 2])
          await post(JSON.stringify(event), { 'content-type': 'application/cloudevents+json' });
      }
    const runs = (
      await until(
        () => runsOf('order'),
        (found) => found.filter((run) => run.spec.event).length >= 40,
      )
    ).filter((run) => run.spec.event);
    assert.equal(runs.length, 40);
    for (const subject of ['a', 'b']) {
      const times = runs
        .filter((run) => run.spec.event!.subject === subject)
        .toSorted((x, y) => x.spec.input.n! - y.spec.input.n!)
        .map((run) => run.status.startedAt);
      assert.deepEqual(
        times,
        times.toSorted((x, y) => x - y),
      );
    }
  });

  test('what fails is tried again, given up in the end, and can be tried again by hand', async () => {
    await dispatch.apply(
      '{"apiVersion":"dispatch.dev/v1alpha1","kind":"Subscription","metadata":{"name":"fails","namespace":"default"},"spec":{"function":"fails","eventType":"fails.now","maxAttempts":2}}',
    );
    await ok('create', 'function', 'fails', 'record.js', '--image', 'nodejs');
    await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'function/fails', '--timeout=20s');
    await ok('emit', 'fails.now', '--data', '{"fail":true}');
    const [dead] = await until(
      () => runsOf('fails', '&status=dead'),
      (found) => found.length === 1,
    );
    assert.equal(dead!.status.attempts, 2);
    assert.match(await ok('get', 'runs', '--status', 'dead'), /DEAD/);
    await writeFile(join(dispatch.home, 'mended.js'), 'module.exports = () => "mended";');
    const before = await dispatch.ok('get', 'function', 'fails', '-o', 'jsonpath={.status.revision}');
    await ok('update', 'function', 'fails', 'mended.js');
    await until(
      () => dispatch.ok('get', 'function', 'fails', '-o', 'jsonpath={.status.revision}'),
      (now) => now !== before,
    );
    await ok('run', 'redrive', dead!.metadata.name);
    await until(
      () => runsOf('fails'),
      (found) => found.some((run) => run.status.phase === 'READY'),
    );
  });

  test('secrets of a subscription reach its runs, and those that are not there are told of', async () => {
    await writeFile(
      join(dispatch.home, 'told.js'),
      'module.exports = ({ secrets }) => Object.keys(secrets);',
    );
    await ok('create', 'function', 'told', 'told.js', '--image', 'nodejs');
    await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'function/told', '--timeout=60s');
    await ok(
      'create',
      'subscription',
      'told',
      '--name',
      'told',
      '--event-type',
      'told.*',
      '--secret',
      'password',
    );
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=READY',
      'subscription.dispatch.dev/told',
      '--timeout=20s',
    );
    await ok('emit', 'told.early');
    const [dead] = await until(
      () => runsOf('told', '&status=dead'),
      (found) => found.length === 1,
    );
    await dispatch.ok('create', 'secret', 'generic', 'password', '--from-literal=word=geheim');
    await ok('run', 'redrive', dead!.metadata.name);
    await ok('emit', 'told.late');
    const runs = await until(
      () => runsOf('told'),
      (found) => found.filter((run) => run.status.phase === 'READY').length === 2,
    );
    for (const run of runs) assert.deepEqual((run.status as { output?: unknown }).output, ['word']);
  });

  test('a handler of events gets the event, and what it gives back goes the same way', async () => {
    await writeFile(
      join(dispatch.home, 'next.js'),
      "module.exports = (event) => ({ specversion: '1.0', source: 'next', type: 'chain.second', data: { was: event.type, n: event.data.n + 1 } });",
    );
    await writeFile(
      join(dispatch.home, 'next.py'),
      'def handle(event, ctx):\n    return {"type": event["type"], "n": event.data["n"]}\n',
    );
    await ok('create', 'function', 'chain-js', 'next.js', '--image', 'nodejs', '--cloud-events');
    await ok('create', 'function', 'chain-py', 'next.py', '--image', 'python3', '--cloud-events');
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=READY',
      'function/chain-js',
      'function/chain-py',
      '--timeout=60s',
    );
    await ok('create', 'subscription', 'chain-js', '--name', 'chain-js', '--event-type', 'chain.first');
    await ok('create', 'subscription', 'chain-py', '--name', 'chain-py', '--event-type', 'chain.second');
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=READY',
      'subscription.dispatch.dev/chain-js',
      'subscription.dispatch.dev/chain-py',
      '--timeout=20s',
    );
    await ok('emit', 'chain.first', '--data', '{"n":1}');
    const [last] = await until(
      () => runsOf('chain-py'),
      (found) => found.length === 1,
    );
    assert.deepEqual((last!.status as { output?: unknown }).output, { type: 'chain.second', n: 2 });
  });

  test('a subscription can be sent back, and gets everything again', async () => {
    await recorder('back', '--event-type', 'back.*');
    await ok('emit', 'back.one', '--data', '{"n":1}');
    await until(
      () => runsOf('back'),
      (found) => found.filter((run) => run.spec.event).length === 1,
    );
    await ok('subscription', 'replay', 'back', '--since', '1h');
    await until(
      () => runsOf('back'),
      (found) => found.filter((run) => run.spec.event).length === 2,
    );
  });

  test('drivers of this server: clocks, webhooks, objects', async () => {
    await recorder('driven', '--event-type', '*');
    await dispatch.ok('create', 'secret', 'generic', 'signing', '--from-literal=key=geheim');
    await ok('create', 'eventdriver', 'ticker', '--name', 'tick', '--set', 'seconds=0.2');
    await ok(
      'create',
      'eventdriver',
      'cron',
      '--name',
      'clock',
      '--set',
      'schedule=* * * * * *',
      '--set',
      'type=clock.rang',
    );
    await ok(
      'create',
      'eventdriver',
      'webhook',
      '--name',
      'hook',
      '--secret',
      'signing',
      '--set',
      'type=hook.came',
    );
    await ok('create', 'eventdriver', 'kubernetes', '--name', 'objects', '--set', 'resource=configmaps');
    await ok('create', 'eventdriver', 'nonsense', '--name', 'nonsense');
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=ERROR',
      'eventdriver/nonsense',
      '--timeout=20s',
    );
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=READY',
      'eventdriver/hook',
      'eventdriver/objects',
      '--timeout=20s',
    );
    const url = await dispatch.ok('get', 'eventdriver', 'hook', '-o', 'jsonpath={.status.url}');
    const body = '{"n":7}';
    const sign = (key: string): Record<string, string> => ({
      'x-hub-signature-256': `sha256=${createHmac('sha256', key).update(body).digest('hex')}`,
    });
    assert.equal((await fetch(url, { method: 'POST', body })).status, 401);
    assert.equal((await fetch(url, { method: 'POST', body, headers: sign('falsch') })).status, 401);
    assert.equal((await fetch(url, { method: 'POST', body, headers: sign('geheim') })).status, 202);
    await dispatch.ok('create', 'configmap', 'watched');
    const wanted = ['ticker.tick', 'clock.rang', 'hook.came', 'kubernetes.configmap.added'];
    await until(
      () => runsOf('driven'),
      (found) => wanted.every((type) => found.some((run) => run.spec.event?.type === type)),
    );
    await ok('delete', 'eventdriver', 'tick');
  });

  test('drivers in pods send events with their own token, and are reached by their path', async () => {
    await mkdir(join(dispatch.home, 'driver'), { recursive: true });
    await writeFile(
      join(dispatch.home, 'driver', 'main.js'),
      `const { AUTH_TOKEN, K_SINK, THE_WORD } = process.env;
const send = (type, data) => fetch(K_SINK, { method: 'POST', headers: { authorization: 'Bearer ' + AUTH_TOKEN, 'content-type': 'application/cloudevents+json' }, body: JSON.stringify({ specversion: '1.0', id: String(Math.random()), source: 'pod', type, data }) }).then((r) => r.status);
require('node:http').createServer(async (q, r) => r.end(String(await send('pod.called', { path: q.url })))).listen(80);
send('pod.started', { args: process.argv.slice(2), word: THE_WORD });`,
    );
    await writeFile(
      join(dispatch.home, 'driver', 'Dockerfile'),
      'FROM dispatch.local/node\nCOPY main.js /main.js\nENTRYPOINT ["node", "/main.js"]\n',
    );
    const { registry } = await dispatch.file();
    const image = `${new URL(registry!.includes('://') ? registry! : `http://${registry}`).host}/default/driver:1`;
    await ok('image', 'build', 'driver', '-t', image);
    await dispatch.ok('create', 'secret', 'generic', 'driver-word', '--from-literal=the-word=mellon');
    await recorder('podded', '--event-type', 'pod.*');
    await ok('create', 'eventdrivertype', 'own', image, '--expose');
    await ok(
      'create',
      'eventdriver',
      'own',
      '--name',
      'own',
      '--set',
      'level=3',
      '--set',
      'debug',
      '--secret',
      'driver-word',
    );
    await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'eventdriver/own', '--timeout=60s');
    const [started] = await until(
      () => runsOf('podded'),
      (found) => found.some((run) => run.spec.event),
    );
    assert.deepEqual(started!.spec.input, { args: ['--level=3', '--debug'], word: 'mellon' });
    const own = Buffer.from(
      await dispatch.ok('get', 'secret', 'driver-own-token', '-o', 'jsonpath={.data.token}'),
      'base64',
    ).toString();
    const event = JSON.stringify({ specversion: '1.0', id: 'x', source: 's', type: 't' });
    const asDriver = { 'content-type': 'application/cloudevents+json', authorization: `Bearer ${own}` };
    assert.equal(
      (await post(event, asDriver, '/dispatch/events/kube-system')).status,
      403,
      'only to its own namespace',
    );
    assert.equal((await post(event, asDriver)).status, 202);
    const url = await dispatch.ok('get', 'eventdriver', 'own', '-o', 'jsonpath={.status.url}');
    const answer = await until(
      () => fetch(`${url}/x`),
      ({ status }) => status === 200,
    );
    assert.equal(await answer.text(), '202');
    const runs = await until(
      () => runsOf('podded'),
      (found) => found.some((run) => run.spec.event?.type === 'pod.called'),
    );
    assert.deepEqual(runs.find((run) => run.spec.event?.type === 'pod.called')!.spec.input, { path: '/x' });
  });
});
