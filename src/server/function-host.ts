import { chmod, lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request, type RequestOptions } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import {
  type HostedProcess,
  type InstanceHost,
  LoadError,
  type LoadRequest,
  type ProcessSpec,
} from '../functions/index.ts';
import type { InstanceAddress, InstanceEnd, RunLogs } from '../gateway/index.ts';
import { type Logger, pause, type Pod } from '../kube/index.ts';
import type { ContainerState, NodeImages, Runtime } from '../node/index.ts';

export interface FunctionHostOptions {
  runtime: Runtime;
  images: NodeImages;
  /** Of the processes' files; on the file system of the sockets. */
  dir: string;
  logsDir: string;
  /** Where our programs are that answer in sandboxes. */
  runtimes: string;
  log: Logger;
}

const PREFIX = 'fn-';
const SIGKILL = 9;
const SIGABRT = 6;
const READY = '\x1eready';
const START_MS = 60_000;
const LOAD_MS = 30_000;
const POLL_MS = 20;
const LOG_KEPT_MS = 60_000;
const MAX_LINES = 2000;
const PIDS = 256;
const STORAGE_BYTES = 512 * 1024 * 1024;
const NAMES = 'search svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n';
const HOSTS = '127.0.0.1\tlocalhost\n::1\tlocalhost\n';
const INSIDE = '/run/dispatch';
/** Where programs of ours are inside of sandboxes and images. */
export const RUNTIMES = '/opt/dispatch/runtimes';
const NODE_HEAP_SHARE = 0.75;

/** The programs that make a process of each language a function. They run in any image that has the language. */
export const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  nodejs: ['node', `${RUNTIMES}/nodejs/server.mjs`],
  python3: ['python3', `${RUNTIMES}/python3/server.py`],
  java: ['java', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `${RUNTIMES}/java/Server.java`],
};

interface Watched {
  digest: string;
  changed: () => void;
  logged: () => void;
  lost: () => void;
}

/** Runs processes of functions in sandboxes that no pod knows of: less stands between them and their start. */
export class FunctionHost implements InstanceHost {
  readonly #options: FunctionHostOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: FunctionHostOptions) {
    this.#options = options;
    options.runtime.listen({
      changed: (uid) => this.#watched.get(uid)?.changed(),
      logged: (id) => this.#watched.get(id.split('/')[0]!)?.logged(),
      lost: () => {
        for (const { lost } of [...this.#watched.values()]) lost();
      },
    });
  }

  /** Digests of the images that run now. */
  imagesInUse(): string[] {
    return [...this.#watched.values()].map(({ digest }) => digest);
  }

  speaks(language: string): boolean {
    return PROGRAMS[language] !== undefined;
  }

  async resolve(image: string, namespace: string, signal: AbortSignal): Promise<string> {
    return (await this.image(image, namespace, signal)).digest;
  }

  async clear(): Promise<void> {
    const { runtime, dir, logsDir } = this.#options;
    const { pods } = await runtime.list().catch(() => ({ pods: [] }));
    await Promise.all(
      pods.filter(({ uid }) => uid.startsWith(PREFIX)).map(({ uid }) => runtime.removePod(uid)),
    );
    await runtime.removeFiles(dir).catch(() => {});
    await rm(logsDir, { recursive: true, force: true });
    await mkdir(join(dir, 'sockets'), { recursive: true, mode: 0o700 });
    await mkdir(logsDir, { recursive: true, mode: 0o700 });
  }

  async start(spec: ProcessSpec, signal: AbortSignal): Promise<HostedProcess> {
    const { runtime, dir, logsDir } = this.#options;
    const image = await this.image(spec.image, '', signal);
    const uid = `${PREFIX}${spec.id}`;
    const own = join(dir, spec.id);
    const shared = join(own, 'shared');
    const log = join(logsDir, `${spec.id}.log`);
    await mkdir(shared, { recursive: true, mode: 0o700 });
    // Whoever the process runs as puts its socket there; nobody else gets as far as this directory.
    await chmod(shared, 0o777);
    await writeFile(join(own, 'hosts'), HOSTS);
    await writeFile(join(own, 'resolv.conf'), NAMES);
    const ending = Promise.withResolvers<InstanceEnd>();
    const process = { uid, id: `${uid}/function/0`, own, log, ending };
    let isOver = false;
    const over = (end: InstanceEnd): void => {
      if (isOver) return;
      isOver = true;
      ending.resolve(end);
      this.#watched.delete(uid);
      void this.#remove(process);
    };
    const said = { wake: (): void => {} };
    this.#watched.set(uid, {
      digest: image.digest,
      changed: () => void this.#endOf(process).then((end) => end && over(end)),
      logged: () => said.wake(),
      lost: () => over({}),
    });
    try {
      const { ip } = await runtime.createPod({
        uid,
        namespace: '',
        name: uid,
        hostname: 'function',
        hostNetwork: false,
      });
      await runtime.startContainer({
        id: process.id,
        podUid: uid,
        name: 'function',
        attempt: 0,
        image: { layers: [image.rootfs], reference: image.reference },
        argv: argvOf(spec) ?? [...(image.config.Entrypoint ?? []), ...(image.config.Cmd ?? [])],
        env: environmentOf(spec, image.config.Env ?? []),
        cwd: image.config.WorkingDir || '/',
        user: image.config.User ?? '',
        groups: [],
        capabilities: [],
        noNewPrivileges: true,
        seccomp: true,
        privileged: false,
        readOnlyRoot: false,
        hostNetwork: false,
        stdin: false,
        tty: false,
        mounts: [
          { type: 'bind', source: join(own, 'hosts'), target: '/etc/hosts', readOnly: true },
          { type: 'bind', source: join(own, 'resolv.conf'), target: '/etc/resolv.conf', readOnly: true },
          { type: 'bind', source: shared, target: INSIDE, readOnly: false },
          { type: 'bind', source: this.#options.runtimes, target: RUNTIMES, readOnly: true },
        ],
        dir: own,
        log,
        limits: {
          memoryBytes: spec.memoryBytes,
          pids: PIDS,
          storageBytes: STORAGE_BYTES,
          ...(spec.cpuMillis !== undefined && { cpuMillis: spec.cpuMillis }),
        },
      });
      const at = await this.#answering(spec, { ...process, ip, said }, signal);
      return {
        id: spec.id,
        at,
        ended: ending.promise,
        load: (loading) => load(at, loading, ending.promise, () => this.#lastWords(log)),
        stop: async () => {
          await runtime.kill(process.id, SIGKILL).catch(() => {});
          over({ signal: SIGKILL });
        },
        logsOf: (run) => logsOf(log, run),
      };
    } catch (error) {
      over({});
      throw error;
    }
  }

  async image(name: string, namespace: string, signal: AbortSignal): ReturnType<NodeImages['ensure']> {
    // Stands for whoever fetches it: the default account of the namespace.
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'function', namespace: namespace || 'default' },
      spec: { containers: [], serviceAccountName: 'default' },
    };
    return this.#options.images.ensure(name, 'IfNotPresent', pod, signal);
  }

  /** Where it answers, once it does. */
  async #answering(
    spec: ProcessSpec,
    process: {
      uid: string;
      ip: string;
      own: string;
      log: string;
      said: { wake: () => void };
      ending: PromiseWithResolvers<InstanceEnd>;
    },
    signal: AbortSignal,
  ): Promise<InstanceAddress> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    let ended = false;
    const end = process.ending.promise.then(() => {
      ended = true;
      process.said.wake();
    });
    while (!limit.aborted && !ended) {
      const next = new Promise<void>((resolve) => {
        process.said.wake = resolve;
      });
      if (spec.port === undefined) {
        const at = await this.#socketOf(spec.id, process);
        if (at !== undefined) return at;
        await Promise.race([next, end, pause(START_MS, limit)]);
      } else {
        const at = { address: process.ip, port: spec.port };
        if (await this.#answers(process.uid, spec, limit)) return at;
        await pause(POLL_MS, limit);
      }
    }
    const words = await this.#lastWords(process.log);
    throw new Error(
      ended
        ? `The process ended before it answered${words === '' ? '.' : `: ${words}`}`
        : `The process did not answer within ${START_MS / 1000} s.`,
    );
  }

  /** The socket is taken out of the sandbox: what its process puts in its place leads nowhere. */
  async #socketOf(
    id: string,
    { own, log }: { own: string; log: string },
  ): Promise<InstanceAddress | undefined> {
    const text = await readFile(log, 'utf8').catch(() => '');
    if (!text.includes(READY)) return undefined;
    const socket = join(this.#options.dir, 'sockets', id);
    await rename(join(own, 'shared', 'socket'), socket);
    if (!(await lstat(socket)).isSocket()) {
      await rm(socket, { force: true });
      throw new Error('The process has no socket where it should be.');
    }
    return { socket };
  }

  async #answers(uid: string, { port = 0, hasHealth }: ProcessSpec, signal: AbortSignal): Promise<boolean> {
    try {
      const connection = await this.#options.runtime.dial(uid, { port }, signal);
      try {
        return !hasHealth || (await ask({ connection }, 'GET', '/healthz')).status === 200;
      } finally {
        connection.destroy();
      }
    } catch {
      return false;
    }
  }

  async #endOf(process: { uid: string; id: string; log: string }): Promise<InstanceEnd | undefined> {
    const { containers } = await this.#options.runtime.list(process.uid);
    const found = containers.find(({ id }) => id === process.id);
    return found === undefined || found.state !== 'exited'
      ? undefined
      : endOf(found, await lastLines(process.log));
  }

  async #lastWords(log: string): Promise<string> {
    return (await lastLines(log)).slice(-5).join(' ').slice(0, 500);
  }

  async #remove({ uid, own, log }: { uid: string; own: string; log: string }): Promise<void> {
    const { runtime, dir } = this.#options;
    await runtime.removePod(uid).catch(() => {});
    await rm(join(dir, 'sockets', uid.slice(PREFIX.length)), { force: true }).catch(() => {});
    await runtime.removeFiles(own).catch(() => {});
    // Runs that ended with it may still be asked what they had printed.
    setTimeout(() => void rm(log, { force: true }).catch(() => {}), LOG_KEPT_MS).unref();
  }
}

function argvOf({ language, port }: ProcessSpec): string[] | undefined {
  const program = port === undefined ? PROGRAMS[language] : undefined;
  return program && [...program];
}

function environmentOf(spec: ProcessSpec, image: readonly string[]): Record<string, string> {
  const env = Object.fromEntries(
    image.map((item) => [item.split('=', 1)[0]!, item.slice(item.indexOf('=') + 1)]),
  );
  const heap = Math.floor((spec.memoryBytes / 1024 / 1024) * NODE_HEAP_SHARE);
  const own =
    spec.port === undefined
      ? { DISPATCH_SOCKET: `${INSIDE}/socket`, NODE_OPTIONS: `--max-old-space-size=${heap}` }
      : { PORT: String(spec.port) };
  return { HOME: '/tmp', ...env, ...own, ...spec.env };
}

function endOf({ exitCode, signal, oomKilled }: ContainerState, lines: readonly string[]): InstanceEnd {
  // A heap that is full ends Node before the sandbox is.
  const heap =
    (signal === SIGABRT || exitCode === 128 + SIGABRT) &&
    lines.some((line) => line.includes('heap out of memory'));
  return {
    ...(exitCode !== undefined && { exitCode }),
    ...(signal !== undefined && { signal }),
    ...((oomKilled || heap) && { outOfMemory: true }),
  };
}

async function load(
  at: InstanceAddress,
  { files, handler, env, cloudEvents }: LoadRequest,
  ended: Promise<InstanceEnd>,
  lastWords: () => Promise<string>,
): Promise<void> {
  const body = JSON.stringify({ files, handler, env, cloudEvents });
  const answer = await Promise.race([ask(at, 'PUT', '/', body), ended.then(() => undefined)]);
  if (answer === undefined) {
    const words = await lastWords();
    throw new LoadError(
      `The process ended while the function was loaded${words === '' ? '.' : `: ${words}`}`,
    );
  }
  if (answer.status === 200) return;
  const { message = '', stacktrace = [] } = JSON.parse(answer.body) as {
    message?: string;
    stacktrace?: string[];
  };
  throw new LoadError([message, stacktrace[0]].filter((part) => part !== undefined && part !== '').join(' '));
}

function ask(
  at: InstanceAddress | { connection: Duplex },
  method: 'GET' | 'PUT',
  path: string,
  body = '',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...connectionTo(at),
        method,
        path,
        timeout: LOAD_MS,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (text.length > 1024 * 1024) response.destroy();
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on('error', reject);
      },
    );
    sent.on('timeout', () => {
      sent.destroy();
      reject(new LoadError(`The function did not end loading within ${LOAD_MS / 1000} s.`));
    });
    sent.on('error', (error) => reject(new LoadError(`The function could not be loaded: ${error.message}`)));
    sent.end(body);
  });
}

function connectionTo(at: InstanceAddress | { connection: Duplex }): RequestOptions {
  if ('connection' in at) return { createConnection: () => at.connection.resume() };
  return {
    agent: false,
    ...('socket' in at ? { socketPath: at.socket } : { host: at.address, port: at.port }),
  };
}

interface Line {
  stream: 'stdout' | 'stderr';
  run: string | undefined;
  text: string;
}

/** "TIME stdout F text" */
const HEAD = /^\S+ (stdout|stderr) ([FP]) /;

async function linesOf(log: string): Promise<Line[]> {
  const texts = await Promise.all([`${log}.1`, log].map((path) => readFile(path, 'utf8').catch(() => '')));
  const lines: Line[] = [];
  const open: Record<string, string> = { stdout: '', stderr: '' };
  for (const row of texts.join('').split('\n')) {
    const head = HEAD.exec(row);
    if (head === null) continue;
    const stream = head[1] as Line['stream'];
    open[stream] += row.slice(head[0].length);
    if (head[2] === 'P') continue;
    const text = open[stream]!;
    open[stream] = '';
    const end = text[0] === '\x1e' ? text.indexOf('\x1f') : -1;
    if (text === READY) continue;
    lines.push({
      stream,
      run: end < 0 ? undefined : text.slice(1, end),
      text: end < 0 ? text : text.slice(end + 1),
    });
  }
  return lines;
}

async function logsOf(log: string, run: string | undefined): Promise<RunLogs> {
  const lines = (await linesOf(log)).filter((line) => line.run === run).slice(-MAX_LINES);
  const of = (stream: Line['stream']): string[] =>
    lines.filter((line) => line.stream === stream).map(({ text }) => text);
  return { stdout: of('stdout'), stderr: of('stderr') };
}

/** What the process has said besides what its calls have. */
async function lastLines(log: string): Promise<string[]> {
  return (await linesOf(log))
    .filter(({ run, text }) => run === undefined && text !== '')
    .map(({ text }) => text)
    .slice(-50);
}
