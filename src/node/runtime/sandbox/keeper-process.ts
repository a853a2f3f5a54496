import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { KeeperOptions } from '../../keeper/keeper.ts';

const MAIN = `${fileURLToPath(new URL('../../keeper/', import.meta.url))}main${import.meta.url.slice(-3)}`;
const ALL_IDS = 4_294_967_295;
const START = 'echo started; read -r _ || exit 1; exec "$@"';
const START_TIMEOUT_MS = 10_000;

export type KeeperInput = Omit<KeeperOptions, 'onEnd' | 'singleUser'>;

/** Which ids of this machine stand for which inside: "inside outside count" lines. */
interface IdMaps {
  uid: string;
  gid: string;
  single: boolean;
}

/**
 * Starts the keeper in namespaces of its own, and returns its PID. It is nobody's child afterwards. Rejects with what the system said
 * when it does not let us.
 */
export async function startKeeper(input: KeeperInput, logFile: string): Promise<number> {
  const namespaces = [
    '--user',
    '--keep-caps',
    '--pid',
    '--fork',
    '--mount',
    '--ipc',
    '--uts',
    '--mount-proc',
  ];
  if (!input.hostNetwork) namespaces.push('--net');
  const log = openSync(logFile, 'a', 0o600);
  const args = [...namespaces, '/bin/sh', '-c', START, 'sh', process.execPath, '--no-warnings', MAIN];
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    ...(input.compileCache && { NODE_COMPILE_CACHE: input.compileCache }),
  };
  const child = spawn('unshare', args, { detached: true, cwd: '/', env, stdio: ['pipe', 'pipe', log] });
  closeSync(log);
  const lines = linesOf(child);
  try {
    await lines.next('started');
    const maps = idMaps();
    writeMaps(child.pid!, maps);
    const options: Omit<KeeperOptions, 'onEnd'> = { ...input, singleUser: maps.single };
    child.stdin!.write(`go\n`);
    child.stdin!.write(`${JSON.stringify(options)}\n`);
    await lines.next('ready');
    return firstChild(child.pid!);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    child.stdin!.destroy();
    child.stdout!.destroy();
    child.removeAllListeners();
    child.unref();
  }
}

/** The first process in the new namespace, as this one counts. */
function firstChild(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

function linesOf(child: ChildProcess): { next: (word: string) => Promise<void> } {
  let said = '';
  let wake = (): void => {};
  let failure: Error | undefined;
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    wake();
  });
  child.stdin!.on('error', () => {});
  child.once('error', (error) => {
    failure = error;
    wake();
  });
  child.once('exit', (code) => {
    failure ??= new Error(`it ended with ${code} before it was ready`);
    wake();
  });
  return {
    next: (word) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('it did not answer in time')), START_TIMEOUT_MS);
        wake = (): void => {
          const at = said.indexOf(`${word}\n`);
          if (at < 0 && failure === undefined) return;
          clearTimeout(timer);
          if (at < 0) reject(failure);
          else {
            said = said.slice(at + word.length + 1);
            resolve();
          }
        };
        wake();
      }),
  };
}

function idMaps(): IdMaps {
  const { uid, gid, username } = userInfo();
  if (uid === 0) return { uid: `0 0 ${ALL_IDS}`, gid: `0 0 ${ALL_IDS}`, single: false };
  const ranges = subordinate(username, uid);
  if (ranges === undefined) return { uid: `0 ${uid} 1`, gid: `0 ${gid} 1`, single: true };
  return {
    uid: `0 ${uid} 1 1 ${ranges.uid.first} ${ranges.uid.count}`,
    gid: `0 ${gid} 1 1 ${ranges.gid.first} ${ranges.gid.count}`,
    single: false,
  };
}

interface Range {
  first: number;
  count: number;
}

/** Ids that the administrator lets this user give away, where the programs that do it are installed. */
function subordinate(username: string, uid: number): { uid: Range; gid: Range } | undefined {
  const find = (file: string): Range | undefined => {
    try {
      const result = spawnSync('grep', ['-E', `^(${username}|${uid}):`, file], { encoding: 'utf8' });
      const [, first, count] = result.stdout.split('\n')[0]!.split(':').map(Number);
      return first !== undefined && count !== undefined && count > 1 ? { first, count } : undefined;
    } catch {
      return undefined;
    }
  };
  const installed = spawnSync('newuidmap', [], { stdio: 'ignore' }).error === undefined;
  const [uids, gids] = [find('/etc/subuid'), find('/etc/subgid')];
  return installed && uids !== undefined && gids !== undefined ? { uid: uids, gid: gids } : undefined;
}

function writeMaps(pid: number, maps: IdMaps): void {
  if (maps.single) {
    writeFileSync(`/proc/${pid}/setgroups`, 'deny');
    writeFileSync(`/proc/${pid}/uid_map`, maps.uid);
    writeFileSync(`/proc/${pid}/gid_map`, maps.gid);
  } else if (userInfo().uid === 0) {
    writeFileSync(`/proc/${pid}/uid_map`, maps.uid);
    writeFileSync(`/proc/${pid}/gid_map`, maps.gid);
  } else {
    for (const [program, map] of [
      ['newuidmap', maps.uid],
      ['newgidmap', maps.gid],
    ] as const) {
      const result = spawnSync(program, [String(pid), ...map.split(' ')], { encoding: 'utf8' });
      if (result.status !== 0) throw new Error(`${program}: ${result.stderr.trim()}`);
    }
  }
}
