import { readFile, rm } from 'node:fs/promises';
import { writeDurably } from '../apiserver/index.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** What `<data>/server.json` tells about a running server. */
export interface ServerFile extends ProcessIdentity {
  version: string;
  startedAt: string;
  api: string;
  http?: string;
  https?: string;
  registry?: string;
  console?: string;
  kubeconfig: string;
}

export async function writeServerFile(path: string, file: ServerFile): Promise<void> {
  await writeDurably(path, `${JSON.stringify(file, undefined, 2)}\n`);
}

/** The server that runs right now, or undefined. */
export async function runningServer(path: string): Promise<ServerFile | undefined> {
  try {
    const file = JSON.parse(await readFile(path, 'utf8')) as ServerFile;
    return isAlive(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

export async function removeServerFile(path: string): Promise<void> {
  await rm(path, { force: true });
}
