import type { Duplex, Readable, Writable } from 'node:stream';
import { ApiError, type KubeObject } from '../../kube/index.ts';
import { isTrue } from '../http/request.ts';
import { listAt, textAt } from '../kinds/index.ts';
import type { CommandEnd, CommandOptions, CommandStreams, PodRuntime, TerminalSize } from './runtime.ts';

/** What a client wants of exec or attach. */
export interface CommandRequest extends CommandOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/** The transport's half of a command: streams by name, and where its end is reported. */
export interface CommandChannels {
  stdin: Readable | undefined;
  stdout: Writable | undefined;
  stderr: Writable | undefined;
  error: Writable;
  onResize: (listener: (size: TerminalSize) => void) => void;
  signal: AbortSignal;
}

export function commandRequest(
  pod: KubeObject,
  kind: 'exec' | 'attach',
  query: URLSearchParams,
): CommandRequest {
  const command = query.getAll('command');
  if (kind === 'exec' && command.length === 0)
    throw new ApiError('BadRequest', 'you must specify at least one command for the container');
  const flags = {
    stdin: isTrue(query.get('stdin')),
    stdout: isTrue(query.get('stdout')),
    stderr: isTrue(query.get('stderr')),
    tty: isTrue(query.get('tty')),
  };
  if (!flags.stdin && !flags.stdout && !flags.stderr)
    throw new ApiError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
  // A terminal has one output.
  if (flags.tty) flags.stderr = false;
  return {
    container: containerOf(pod, query.get('container')),
    command: kind === 'exec' ? command : undefined,
    ...flags,
  };
}

/** The container that is meant: named, marked as the default one, or the only one. */
export function containerOf(pod: KubeObject, wanted: string | null): string {
  const names = [
    ...listAt(pod, 'spec.containers'),
    ...listAt(pod, 'spec.initContainers'),
    ...listAt(pod, 'spec.ephemeralContainers'),
  ].map((item) => textAt(item, 'name') ?? '');
  const name = wanted || pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'] || '';
  if (name !== '') {
    if (names.includes(name)) return name;
    throw new ApiError('BadRequest', `container ${name} is not valid for pod ${pod.metadata.name}`);
  }
  const own = listAt(pod, 'spec.containers').map((item) => textAt(item, 'name') ?? '');
  if (own.length === 1) return own[0]!;
  throw new ApiError(
    'BadRequest',
    `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${own.join(' ')}]`,
  );
}

/** Runs the command and reports how it ended, as a Status on the error channel. */
export async function runCommand(
  runtime: PodRuntime,
  pod: KubeObject,
  request: CommandRequest,
  channels: CommandChannels,
): Promise<void> {
  const streams: CommandStreams = {
    stdin: channels.stdin,
    stdout: channels.stdout,
    stderr: channels.stderr,
    onResize: channels.onResize,
    signal: channels.signal,
  };
  let end: CommandEnd;
  try {
    end = await runtime.run(pod, request, streams);
  } catch (error) {
    end = { error: error instanceof Error ? error.message : String(error) };
  }
  await Promise.all([ended(channels.stdout), ended(channels.stderr)]);
  channels.error.end(JSON.stringify(statusOf(end)));
  await ended(channels.error);
}

function statusOf(end: CommandEnd): Record<string, unknown> {
  if ('error' in end)
    return { metadata: {}, status: 'Failure', reason: 'InternalError', message: end.error, code: 500 };
  if (end.exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit status ${end.exitCode}`,
    details: { causes: [{ reason: 'ExitCode', message: String(end.exitCode) }] },
  };
}

function ended(stream: Writable | Duplex | undefined): Promise<void> {
  if (stream === undefined || stream.destroyed || stream.writableFinished) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once('finish', resolve);
    stream.once('close', resolve);
    if (!stream.writableEnded) stream.end();
  });
}
