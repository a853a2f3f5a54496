import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UserError } from '../server/index.ts';
import type { Environment } from './environment.ts';

/** What is in a file; "-" is the standard input. */
export async function readInput({ cwd, stdin }: Environment, file: string): Promise<Buffer> {
  if (file === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  }
  return readFile(resolve(cwd, file)).catch((error: unknown) => {
    throw new UserError(`${file} cannot be read: ${(error as Error).message}.`, { cause: error });
  });
}
