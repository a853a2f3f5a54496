import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import {
  type DataDir,
  dataDir,
  runningServer,
  startServer,
  type ServerFile,
  UserError,
} from '../../server/index.ts';
import { dataRoot, type Environment, globalFlags, packageVersion } from '../environment.ts';
import { examples, repeated } from '../help.ts';
import { createLogger, LOG_LEVELS, type LogFormat } from '../logger.ts';

interface UpFlags {
  apiPort: number;
  httpPort: number;
  httpsPort: number;
  registryPort: number;
  detach?: boolean;
  logFormat: LogFormat;
  logLevel: string;
  runtime: Runtime;
  allowPrivileged?: boolean;
  hostPathRoot?: string[];
  registryMirror?: string[];
  insecureRegistry?: string[];
  demo: boolean;
}

type Runtime = 'auto' | 'sandbox';

const HOST = '127.0.0.1';
const DETACH_TIMEOUT_MS = 30_000;

export function registerUp(program: Command, environment: Environment): void {
  program
    .command('up')
    .description('Start the platform on this machine.')
    .option('--api-port <port>', 'port of the Kubernetes API, 0 for a free one', parsePort, 7443)
    .option('--http-port <port>', 'port of the gateway for HTTP, 0 for a free one', parsePort, 8081)
    .option('--https-port <port>', 'port of the gateway for HTTPS, 0 for a free one', parsePort, 8444)
    .option('--registry-port <port>', 'port of the image registry, 0 for a free one', parsePort, 7050)
    .option(
      '--registry-mirror <registry=url>',
      'other places that have the images of a registry',
      repeated,
      [],
    )
    .option('--insecure-registry <host>', 'registries that may be spoken to without TLS', repeated, [])
    .option('--no-demo', 'leave out the sample project of the first start')
    .option('--detach', 'return when the server is ready, and leave it running')
    .option(
      '--runtime <runtime>',
      'what runs containers: auto, or sandbox to refuse to start without',
      parseRuntime,
      'auto',
    )
    .option('--allow-privileged', 'let pods ask for privileged containers')
    .option('--host-path-root <dir>', 'directories of this machine that pods may mount', repeated, [])
    .addOption(
      new Option('--log-format <format>', 'how log lines look').choices(['pretty', 'json']).default('pretty'),
    )
    .addOption(new Option('--log-level <level>', 'which log lines show').choices(LOG_LEVELS).default('warn'))
    .addHelpText(
      'after',
      examples(
        'dispatch up',
        'dispatch up --detach --api-port 0',
        'DISPATCH_HOME=/srv/dispatch dispatch up --log-format json',
      ),
    )
    .action(async (flags: UpFlags, command: Command) => {
      const root = dataRoot(environment, globalFlags(command));
      if (flags.detach) await upDetached(environment, root, flags.demo);
      else await up(environment, root, flags);
    });
}

function parseRuntime(text: string): Runtime {
  if (text === 'auto' || text === 'sandbox') return text;
  if (text === 'docker' || text === 'process')
    throw new UserError(
      `There is no runtime ${text}: containers run in sandboxes, with nothing installed and nothing left out. "dispatch doctor" tells whether this machine allows them.`,
    );
  throw new UserError(`${JSON.stringify(text)} is no runtime: give auto or sandbox.`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new UserError(`${JSON.stringify(text)} is no port: give a number from 0 to 65535.`);
  return port;
}

async function up(environment: Environment, root: string, flags: UpFlags): Promise<void> {
  const stop = stopSignal();
  const log = await createLogger({
    format: flags.logFormat,
    level: flags.logLevel,
    stream: environment.stderr,
  });
  // One request that went wrong in a way nobody thought of must not end the others.
  process.on('unhandledRejection', (error) =>
    log.error({ err: error }, 'something failed that nobody waited for'),
  );
  const server = await startServer({
    root,
    host: HOST,
    apiPort: flags.apiPort,
    httpPort: flags.httpPort,
    httpsPort: flags.httpsPort,
    registryPort: flags.registryPort,
    version: packageVersion(),
    log,
    now: Date.now,
    path: environment.env['PATH'] ?? '',
    compileCache: environment.env['NODE_COMPILE_CACHE'],
    demo: flags.demo,
    needsSandbox: flags.runtime === 'sandbox',
    flags: {
      registryMirror: flags.registryMirror ?? [],
      insecureRegistry: flags.insecureRegistry ?? [],
      hostPathRoot: flags.hostPathRoot ?? [],
      allowPrivileged: flags.allowPrivileged === true,
    },
  });
  environment.stdout.write(greeting(server.file, flags.demo));
  if (server.problem !== undefined) environment.stderr.write(`\n${server.problem}\n`);
  await stop;
  environment.stdout.write('Stopping…\n');
  await server[Symbol.asyncDispose]();
}

/** Resolves with the first request to stop; a second one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130);
        asked = true;
        resolve();
      });
    }
  });
}

function greeting(file: ServerFile, hasSample: boolean): string {
  return [
    `Dispatch v${file.version} is ready.`,
    '',
    `  API         ${file.api}`,
    `  gateway     ${file.http}  ${file.https}`,
    `  registry    ${file.registry}`,
    `  kubeconfig  ${file.kubeconfig}`,
    '',
    'Try next, in another terminal:',
    ...(hasSample
      ? ['  dispatch ci list pipelineruns', '  dispatch git clone hello-world', '  dispatch change list']
      : ['  dispatch git create hello-world', '  dispatch create seed-images']),
    `  kubectl --kubeconfig ${file.kubeconfig} create configmap hello --from-literal=who=world`,
    '',
    'Ctrl-C stops it.',
    '',
  ].join('\n');
}

async function upDetached(environment: Environment, root: string, hasSample: boolean): Promise<void> {
  const dirs = dataDir(root);
  const running = await runningServer(dirs.serverFile);
  if (running !== undefined)
    throw new UserError(
      `A server with PID ${running.pid} already uses ${root}: stop it with "dispatch down".`,
    );
  await mkdir(dirs.logs, { recursive: true, mode: 0o700 });
  await using log = await open(join(dirs.logs, 'server.log'), 'w', 0o600);
  const args = environment.argv.slice(2).filter((argument) => argument !== '--detach');
  const launcher = environment.env['DISPATCH_LAUNCHER'] ?? environment.argv[1] ?? '';
  const child = spawn(process.execPath, [launcher, ...args], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  const file = await untilReady(dirs, child.pid ?? 0, new Promise((resolve) => child.once('exit', resolve)));
  child.unref();
  environment.stdout.write(
    greeting(file, hasSample).replace('Ctrl-C stops it.', '"dispatch down" stops it.'),
  );
}

async function untilReady(dirs: DataDir, pid: number, exited: Promise<unknown>): Promise<ServerFile> {
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const deadline = Date.now() + DETACH_TIMEOUT_MS;
  while (!ended && Date.now() < deadline) {
    const file = await runningServer(dirs.serverFile);
    if (file !== undefined) return file;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const path = join(dirs.logs, 'server.log');
  const lines = (await readFile(path, 'utf8').catch(() => '')).trim().split('\n');
  throw new UserError(
    `The server (PID ${pid}) did not start: ${lines.at(-1) || 'it said nothing'} (its log is ${path})`,
  );
}
