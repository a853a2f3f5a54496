import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Logins of registries, as other programs of this machine keep them. */
export async function registryCredentials(): Promise<{ credentials?: string }> {
  const text = await readFile(join(homedir(), '.docker', 'config.json'), 'utf8').catch(() => undefined);
  return text === undefined ? {} : { credentials: text };
}
