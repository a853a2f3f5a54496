import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Secret, secretText } from '../kube/index.ts';

/** By which a server lets us in over SSH, and by which we know it. */
export interface SshLogin {
  /** Empty where none is known. */
  key: string;
  /** Lines as OpenSSH keeps them: hosts, kind of key, key. */
  knownHosts: string;
}

const SCP_LIKE = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)/;

/** The server of an SSH address, as lists of known hosts name it: "host", "[host]:port". Undefined for others. */
export function sshHost(url: string): string | undefined {
  if (url.startsWith('ssh://')) {
    if (!URL.canParse(url)) return undefined;
    const { hostname, port } = new URL(url);
    return port === '' || port === '22' ? hostname : `[${hostname}]:${port}`;
  }
  return url.includes('://') ? undefined : SCP_LIKE.exec(url)?.[1];
}

/** What a Secret has for SSH, whichever tool's names it uses. */
export function sshLoginOf(secret: Secret | undefined, known: string): SshLogin | undefined {
  const text = (key: string): string => secretText(secret, key);
  const key = text('ssh-privatekey') || text('sshPrivateKey') || text('identity');
  return key === '' ? undefined : { key, knownHosts: `${text('known_hosts')}\n${known}` };
}

/**
 * Runs something that speaks over SSH with exactly this login: no configuration, agent or key of this machine's
 * user, and no server that is not known. The key is on the disk for as long as it takes.
 */
export async function withSsh<T>(
  root: string,
  login: SshLogin | undefined,
  run: (env: Record<string, string>) => Promise<T>,
): Promise<T> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const dir = await mkdtemp(join(root, 'ssh-'));
  try {
    const [key, hosts] = [join(dir, 'key'), join(dir, 'known_hosts')];
    await writeFile(hosts, login?.knownHosts ?? '', { mode: 0o600 });
    const hasKey = login !== undefined && login.key !== '';
    if (hasKey) await writeFile(key, `${login.key.trimEnd()}\n`, { mode: 0o600 });
    const options = [
      'BatchMode=yes',
      'IdentitiesOnly=yes',
      'IdentityAgent=none',
      'StrictHostKeyChecking=yes',
      `UserKnownHostsFile=${hosts}`,
      'GlobalKnownHostsFile=/dev/null',
      'ClearAllForwardings=yes',
      'ConnectTimeout=20',
      'ServerAliveInterval=15',
    ];
    const words = [
      'ssh',
      '-F',
      '/dev/null',
      ...(hasKey ? ['-i', key] : []),
      ...options.flatMap((option) => ['-o', option]),
    ];
    return await run({ GIT_SSH_COMMAND: words.map(quoted).join(' '), GIT_SSH_VARIANT: 'ssh' });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
