import type { Command } from 'commander';
import { stringify } from 'yaml';
import { dataDir, isAlive, runningServer, type ServerFile, UserError } from '../../server/index.ts';
import { connect, dataRoot, type Environment, globalFlags, requireServer } from '../environment.ts';
import { examples } from '../help.ts';

const STOP_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

export function registerStatus(program: Command, environment: Environment): void {
  program
    .command('status')
    .description('Show whether the server runs, and where.')
    .addHelpText('after', examples('dispatch status', 'dispatch status -o json'))
    .action(async (_: object, command: Command) => status(environment, command));
  program
    .command('down')
    .description('Stop the server of this machine.')
    .addHelpText('after', examples('dispatch down', 'dispatch down --data-dir /srv/dispatch'))
    .action(async (_: object, command: Command) => down(environment, command));
}

interface StatusReport extends Partial<ServerFile> {
  running: boolean;
  ready: boolean;
  dataDir: string;
}

async function status(environment: Environment, command: Command): Promise<void> {
  const flags = globalFlags(command);
  const root = dataRoot(environment, flags);
  const file = await runningServer(dataDir(root).serverFile);
  const ready = file !== undefined && (await isReady(environment, command));
  const report: StatusReport = { running: file !== undefined, ready, dataDir: root, ...file };
  environment.stdout.write(render(report, flags.output ?? 'table'));
  if (!report.running) process.exitCode = 1;
}

async function isReady(environment: Environment, command: Command): Promise<boolean> {
  const client = await connect(environment, globalFlags(command));
  try {
    for await (const _ of await client.stream({
      method: 'GET',
      path: '/readyz',
      signal: AbortSignal.timeout(2000),
    }))
      return true;
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}

function render(report: StatusReport, format: string): string {
  if (format === 'json') return `${JSON.stringify(report, undefined, 2)}\n`;
  if (format === 'yaml') return stringify(report);
  if (!report.running) return `Not running on ${report.dataDir}. Start it with "dispatch up".\n`;
  const rows: [string, string][] = [
    ['Status', report.ready ? 'ready' : 'starting'],
    ['Version', `v${report.version}`],
    ['PID', String(report.pid)],
    ['Started', report.startedAt ?? ''],
    ['API', report.api ?? ''],
    ['Kubeconfig', report.kubeconfig ?? ''],
    ['Data', report.dataDir],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}\n`).join('');
}

async function down(environment: Environment, command: Command): Promise<void> {
  const server = await requireServer(environment, globalFlags(command));
  process.kill(server.pid, 'SIGTERM');
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (isAlive(server)) {
    if (Date.now() > deadline)
      throw new UserError(
        `The server with PID ${server.pid} has not stopped after ${STOP_TIMEOUT_MS / 1000} seconds: look at it, or end it with "kill -9 ${server.pid}".`,
      );
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  environment.stdout.write('Stopped.\n');
}
