import { Pool } from 'undici';
import { Connection, requestBytes } from './connection.ts';
import type { BenchServer } from './server.ts';

export interface Call {
  method: string;
  path: string;
  body?: string;
  type?: string;
}

/** Runs `count` calls over so many connections and gives calls per second. */
export async function load(
  server: BenchServer,
  connections: number,
  count: number,
  call: (index: number) => Call,
): Promise<number> {
  const open = await Promise.all(
    Array.from({ length: connections }, () => Connection.open(server.url, server.ca)),
  );
  let next = 0;
  const worker = async (connection: Connection): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const { method, path, body, type } = call(index);
      const answer = await connection.request(requestBytes(method, path, server.authorization, body, type));
      if (answer.status >= 300)
        throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body}`);
    }
  };
  const started = performance.now();
  await Promise.all(open.map(worker));
  const seconds = (performance.now() - started) / 1000;
  for (const connection of open) connection.close();
  return count / seconds;
}

export function client(server: BenchServer, connections: number): Pool {
  return new Pool(server.url, { connections, pipelining: 1, connect: { ca: server.ca } });
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function percentile(values: readonly number[], share: number): number {
  return (
    [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ??
    Number.NaN
  );
}
