import { constants } from 'node:fs';
import { access, mkdir, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { dataDir, detectRuntime, runningServer } from '../../server/index.ts';
import { dataRoot, type Environment, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';

interface Finding {
  check: string;
  status: 'ok' | 'warning' | 'problem';
  detail: string;
  advice?: string;
}

const LOW_DISK = 1024 ** 3;
const API_PORT = 7443;

export function registerDoctor(program: Command, environment: Environment): void {
  program
    .command('doctor')
    .description('Check what this machine offers, and how to get more.')
    .addHelpText('after', examples('dispatch doctor', 'dispatch doctor -o json'))
    .action(async (_: object, command: Command) => {
      const flags = globalFlags(command);
      const findings = await examine(environment, dataRoot(environment, flags));
      environment.stdout.write(
        flags.output === 'json' ? `${JSON.stringify(findings, undefined, 2)}\n` : findings.map(line).join(''),
      );
      if (findings.some((finding) => finding.status === 'problem')) process.exitCode = 1;
    });
}

const MARKS = { ok: '✓', warning: '!', problem: '✗' };

function line({ check, status, detail, advice }: Finding): string {
  return `${MARKS[status]} ${check.padEnd(16)}${detail}${advice === undefined ? '' : `\n  ${' '.repeat(16)}${advice}`}\n`;
}

async function examine(environment: Environment, root: string): Promise<Finding[]> {
  const server = await runningServer(dataDir(root).serverFile);
  return [
    { check: 'node', status: 'ok', detail: `${process.version} (${process.platform} ${process.arch})` },
    await dataDirectory(root),
    await freeSpace(root),
    server === undefined
      ? await apiPort()
      : { check: 'server', status: 'ok', detail: `running with PID ${server.pid} at ${server.api}` },
    ...detectRuntime().map(
      ({ check, ok, detail, advice }): Finding => ({
        check,
        status: ok ? 'ok' : 'warning',
        detail,
        ...(advice !== undefined && { advice }),
      }),
    ),
    await program(environment, 'git', 'Needed for pipelines and GitOps: install the package git.'),
    await program(
      environment,
      'kubectl',
      'Optional: with it, "dispatch kubectl" works (package kubernetes-client).',
    ),
  ];
}

async function dataDirectory(root: string): Promise<Finding> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 });
    await access(root, constants.W_OK);
    return { check: 'data directory', status: 'ok', detail: root };
  } catch (error) {
    return {
      check: 'data directory',
      status: 'problem',
      detail: `${root} cannot be written (${(error as NodeJS.ErrnoException).code})`,
      advice: 'Choose another with --data-dir or DISPATCH_HOME.',
    };
  }
}

async function freeSpace(root: string): Promise<Finding> {
  const stats = await statfs(root).catch(() => undefined);
  if (stats === undefined) return { check: 'disk', status: 'warning', detail: 'unknown' };
  const free = stats.bavail * stats.bsize;
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free`;
  return free < LOW_DISK
    ? { check: 'disk', status: 'warning', detail, advice: 'Free some space: images and logs need it.' }
    : { check: 'disk', status: 'ok', detail };
}

async function apiPort(): Promise<Finding> {
  const free = await new Promise<boolean>((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(API_PORT, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
  if (free) return { check: 'port', status: 'ok', detail: `${API_PORT} is free` };
  return {
    check: 'port',
    status: 'warning',
    detail: `${API_PORT} is taken by another program`,
    advice: 'Start with "dispatch up --api-port 0".',
  };
}

async function program(environment: Environment, name: string, advice: string): Promise<Finding> {
  for (const dir of (environment.env['PATH'] ?? '').split(delimiter)) {
    try {
      await access(join(dir, name), constants.X_OK);
      return { check: name, status: 'ok', detail: join(dir, name) };
    } catch {
      // Not in this folder.
    }
  }
  return { check: name, status: 'warning', detail: 'not found', advice };
}
