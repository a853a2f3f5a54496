import { pause } from '../../kube/index.ts';
import { PassThrough } from 'node:stream';
import type { Container, Handler, Pod } from '../../kube/index.ts';
import { CAPABILITIES } from '../keeper/constants.ts';
import type { Command, Runtime } from '../runtime/runtime.ts';
import { httpProbe, portNumber, type ProbeTarget } from './probes.ts';
import { securityOf } from './security.ts';

const MAX_OUTPUT = 10 * 1024;

/** A command as the container itself would run it. */
export function commandIn(
  pod: Pod,
  container: Container,
  image: { User?: string; Env?: string[]; WorkingDir?: string },
  argv: string[],
  env: Record<string, string>,
): Command {
  const security = securityOf(pod, container, image.User ?? '', CAPABILITIES);
  return {
    argv,
    env,
    cwd: container.workingDir || image.WorkingDir || '/',
    user: security.user,
    groups: security.groups,
    capabilities: security.capabilities,
    noNewPrivileges: security.noNewPrivileges,
    seccomp: security.seccomp,
    tty: false,
  };
}

/** Runs a command to its end and keeps the beginning of what it prints. */
export async function runQuietly(
  runtime: Runtime,
  id: string,
  command: Command,
  signal: AbortSignal,
): Promise<{ exitCode: number; output: string }> {
  const chunks: Buffer[] = [];
  let size = 0;
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT) chunks.push(chunk);
    size += chunk.length;
  });
  const end = await runtime.run(id, command, {
    stdin: undefined,
    stdout: output,
    stderr: output,
    onResize: () => {},
    signal,
  });
  const text = Buffer.concat(chunks).subarray(0, MAX_OUTPUT).toString();
  return 'exitCode' in end ? { exitCode: end.exitCode, output: text } : { exitCode: 126, output: end.error };
}

/** A hook of a container's life. Resolves with what went wrong, if something did. */
export async function runHook(
  handler: Handler,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    if (handler.exec !== undefined) {
      const { exitCode, output } = await target.exec(handler.exec.command, signal);
      return exitCode === 0
        ? undefined
        : `command ${JSON.stringify(handler.exec.command)} exited with ${exitCode}: ${output}`;
    }
    if (handler.httpGet !== undefined) {
      const { ok, message } = await httpProbe(handler.httpGet, target, signal);
      return ok ? undefined : message;
    }
    if (handler.tcpSocket !== undefined) {
      const port = portNumber(handler.tcpSocket.port, target.container);
      (await target.dial(handler.tcpSocket.host, port, signal)).destroy();
    }
    if (handler.sleep !== undefined) {
      const { seconds } = handler.sleep;
      await pause(seconds * 1000, signal);
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
