import type { Row } from '../main.ts';
import { Connection, requestBytes } from './connection.ts';
import { client, load, median } from './load.ts';
import {
  configMap,
  configMaps,
  custom,
  customs,
  definition,
  definitions,
  deployment,
  deployments,
} from './objects.ts';
import { type BenchServer, startBareServer, startPlatform, startServer } from './server.ts';
import { watchFanOut, watchLatency } from './watch.ts';

const OBJECTS = 10_000;
const STARTS = 5;

/** The rows of the platform's measures: peer figures are of the same kind of machine. */
export async function benchApiServer(): Promise<Row[]> {
  const rows: Row[] = [];
  const add = (name: string, value: number, unit: string, peer: string, goal: string): void =>
    void rows.push({ name, value, unit, peer, goal });
  const starts: Awaited<ReturnType<typeof startPlatform>>[] = [];
  for (let index = 0; index < STARTS; index++) starts.push(await startPlatform());
  const middle = (key: 'readyMs' | 'rssMiB'): number => median(starts.map((item) => item[key]));
  add('process start → ready, empty store (whole platform)', middle('readyMs'), 'ms', '3,110', '≤ 700');
  add('RSS idle (whole platform)', middle('rssMiB'), 'MiB', '301', '≤ 150');
  await using server = await startServer();
  add('RSS idle', await server.rssMiB(), 'MiB', '301', '≤ 150');
  await bare(server, add);
  await writes(server, add);
  await reads(server, add);
  await applies(server, add);
  await customResources(server, add);
  const latency = await watchLatency(server, 500);
  add('watch: request sent → event, p50', latency.p50, 'ms', '1.4', '≤ 0.8');
  add('watch: request sent → event, p99', latency.p99, 'ms', '5.3', '≤ 3');
  add('100 watchers × 500 creates', await watchFanOut(server, 100, 500), 'events/s', '75,000', '≥ 250,000');
  return rows;
}

type Add = (name: string, value: number, unit: string, peer: string, goal: string) => void;

/** What a server that does nothing reaches, right before: every other row is to be read against it. */
async function bare(like: BenchServer, add: Add): Promise<void> {
  const { server, stop } = await startBareServer(like);
  const post = (index: number) => ({ method: 'POST', path: configMaps, body: configMap(`bare-${index}`) });
  await load(server, 16, 5000, post);
  for (const [connections, count] of [
    [1, 3000],
    [16, 15_000],
    [64, 15_000],
  ] as const) {
    add(
      `bare HTTPS server: POST/s at ${connections}`,
      await load(server, connections, count, post),
      '/s',
      '',
      '',
    );
  }
  stop();
}

async function writes(server: BenchServer, add: Add): Promise<void> {
  await load(server, 16, 2000, (index) => ({
    method: 'POST',
    path: configMaps,
    body: configMap(`warm-${index}`),
  }));
  const create = (prefix: string) => (index: number) => ({
    method: 'POST',
    path: configMaps,
    body: configMap(`${prefix}-${index}`),
  });
  add('create/s at 1', await load(server, 1, 2000, create('one')), '/s', '585', '≥ 1,800');
  add('create/s at 16', await load(server, 16, OBJECTS, create('list')), '/s', '1,580', '≥ 6,000');
  add('RSS after 10,000 objects', await server.rssMiB(), 'MiB', '581', '≤ 250');
  add('create/s at 64', await load(server, 64, OBJECTS, create('many')), '/s', '2,210', '≥ 9,000');
  add(
    'update/s at 16',
    await load(server, 16, OBJECTS, (index) => ({
      method: 'PUT',
      path: `${configMaps}/many-${index}`,
      body: configMap(`many-${index}`, index + 1),
    })),
    '/s',
    '1,570',
    '≥ 5,500',
  );
  add(
    'delete/s at 16',
    await load(server, 16, OBJECTS, (index) => ({ method: 'DELETE', path: `${configMaps}/many-${index}` })),
    '/s',
    '1,780',
    '≥ 6,000',
  );
}

async function reads(server: BenchServer, add: Add): Promise<void> {
  add(
    'get/s at 16',
    await load(server, 16, 30_000, (index) => ({
      method: 'GET',
      path: `${configMaps}/list-${index % OBJECTS}`,
    })),
    '/s',
    '3,810 (cache 6,220)',
    '≥ 15,000',
  );
  await load(server, 16, 4000, (index) => ({
    method: 'DELETE',
    path: `${configMaps}/${index < 2000 ? 'warm' : 'one'}-${index % 2000}`,
  }));
  const connection = await Connection.open(server.url, server.ca);
  const times: number[] = [];
  for (let index = 0; index < 10; index++) {
    const started = performance.now();
    await connection.request(requestBytes('GET', configMaps, server.authorization));
    times.push(performance.now() - started);
  }
  connection.close();
  add('list of 10,000', median(times), 'ms', '115', '≤ 45');
}

async function applies(server: BenchServer, add: Add): Promise<void> {
  const apply = (image: string) => (index: number) => ({
    method: 'PATCH',
    path: `${deployments}/d-${index}?fieldManager=bench`,
    body: deployment(`d-${index}`, image),
    type: 'application/apply-patch+yaml',
  });
  const count = 3000;
  await load(server, 16, 500, (index) => ({
    ...apply('w:1')(index),
    path: `${deployments}/w-${index}?fieldManager=bench`,
    body: deployment(`w-${index}`, 'w:1'),
  }));
  add(
    'server-side apply/s at 16: create',
    await load(server, 16, count, apply('app:1')),
    '/s',
    '676',
    '≥ 2,000',
  );
  add(
    'server-side apply/s at 16: change',
    await load(server, 16, count, apply('app:2')),
    '/s',
    '526',
    '≥ 2,000',
  );
  add(
    'server-side apply/s at 16: no change',
    await load(server, 16, count, apply('app:2')),
    '/s',
    '638',
    '≥ 2,000',
  );
}

async function customResources(server: BenchServer, add: Add): Promise<void> {
  const pool = client(server, 1);
  const headers = { authorization: server.authorization, 'content-type': 'application/json' };
  const times: number[] = [];
  for (let index = 0; index < 10; index++) {
    const started = performance.now();
    await pool
      .request({
        method: 'POST',
        path: definitions,
        headers,
        body: definition(`gadget${index}s`, `Gadget${index}`),
      })
      .then((answer) => answer.body.dump());
    for (;;) {
      const answer = await pool.request({
        method: 'POST',
        path: customs(`gadget${index}s`),
        headers,
        body: custom(`Gadget${index}`, 'first'),
      });
      await answer.body.dump();
      if (answer.statusCode === 201) break;
    }
    times.push(performance.now() - started);
  }
  await pool.destroy();
  add('CRD created → first object accepted', median(times), 'ms', '2,060', '≤ 100');
  add(
    'custom resources: create/s at 16',
    await load(server, 16, 8000, (index) => ({
      method: 'POST',
      path: customs('gadget0s'),
      body: custom('Gadget0', `o-${index}`),
    })),
    '/s',
    '1,050',
    '≥ 5,000',
  );
}
