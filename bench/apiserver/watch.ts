import { readLines } from '../../src/kube/lines.ts';
import { client, percentile } from './load.ts';
import { configMap, configMaps } from './objects.ts';
import type { BenchServer } from './server.ts';

/** Milliseconds from sending a create to its event. */
export async function watchLatency(
  server: BenchServer,
  count: number,
): Promise<{ p50: number; p99: number }> {
  const pool = client(server, 2);
  const headers = { authorization: server.authorization };
  const seen = new Map<string, (at: number) => void>();
  const watch = await pool.request({
    method: 'GET',
    path: `${configMaps}?watch=true`,
    headers,
  });
  void (async () => {
    for await (const line of readLines(watch.body)) {
      const { object } = JSON.parse(line) as { object: { metadata: { name: string } } };
      seen.get(object.metadata.name)?.(performance.now());
    }
  })().catch(() => undefined);
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const name = `latency-${index}`;
    const started = performance.now();
    const arrived = new Promise<number>((resolve) => seen.set(name, resolve));
    const answer = await pool.request({
      method: 'POST',
      path: configMaps,
      headers: { ...headers, 'content-type': 'application/json' },
      body: configMap(name),
    });
    await answer.body.dump();
    times.push((await arrived) - started);
  }
  await pool.destroy();
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** Events per second that many watchers together receive while objects are created. */
export async function watchFanOut(server: BenchServer, watchers: number, creates: number): Promise<number> {
  const pool = client(server, watchers + 64);
  const headers = { authorization: server.authorization };
  const path = '/api/v1/namespaces/kube-public/configmaps';
  const revision = await pool
    .request({ method: 'GET', path: `${path}?limit=1`, headers })
    .then(
      async (answer) =>
        ((await answer.body.json()) as { metadata: { resourceVersion: string } }).metadata.resourceVersion,
    );
  const done = Array.from({ length: watchers }, async () => {
    const answer = await pool.request({
      method: 'GET',
      path: `${path}?watch=true&resourceVersion=${revision}`,
      headers,
    });
    let left = creates;
    // Events are counted by their line ends: parsing them would measure the client.
    for await (const chunk of answer.body) {
      for (let at = (chunk as Buffer).indexOf(10); at >= 0; at = (chunk as Buffer).indexOf(10, at + 1))
        left -= 1;
      if (left <= 0) break;
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const started = performance.now();
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let index = next++; index < creates; index = next++) {
      const answer = await pool.request({
        method: 'POST',
        path,
        headers: { ...headers, 'content-type': 'application/json' },
        body: configMap(`fan-${index}`),
      });
      await answer.body.dump();
    }
  };
  await Promise.all([...Array.from({ length: 64 }, writer), ...done]);
  const seconds = (performance.now() - started) / 1000;
  await pool.destroy();
  return (watchers * creates) / seconds;
}
