import { CommanderError } from 'commander';
import { ApiError, KubeconfigError } from '../kube/index.ts';
import { UserError } from '../server/index.ts';

const USAGE = 2;

/** Prints one sentence for whatever went wrong and gives the exit code. */
export function report(error: unknown, options: { verbose: boolean; stderr: NodeJS.WritableStream }): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  options.stderr.write(`Error: ${sentence(error)}\n`);
  if (options.verbose) for (const line of causes(error)) options.stderr.write(`  caused by: ${line}\n`);
  return 1;
}

const NETWORK_CODES: Record<string, string> = {
  ECONNREFUSED:
    'The server does not answer: start it with "dispatch up", or name another with --kubeconfig or --context.',
  ENOTFOUND: "The server's name cannot be found: check the address in the kubeconfig.",
  ECONNRESET: 'The server closed the connection: see "dispatch status", then try again.',
  UND_ERR_CONNECT_TIMEOUT: 'The server does not answer in time: check its address, then try again.',
};

function sentence(error: unknown): string {
  if (error instanceof UserError || error instanceof KubeconfigError || error instanceof ApiError)
    return error.message;
  const code = codeOf(error);
  const known = code === undefined ? undefined : NETWORK_CODES[code];
  if (known !== undefined) return known;
  const message = error instanceof Error ? error.message : String(error);
  return `${message} (run again with -v for the cause).`;
}

function codeOf(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: string; cause?: unknown };
  return code !== undefined && code in NETWORK_CODES ? code : cause === undefined ? code : codeOf(cause);
}

function causes(error: unknown): string[] {
  const lines: string[] = [];
  for (
    let at: unknown = error instanceof Error ? error.cause : undefined;
    at !== undefined && lines.length < 8;
    at = at instanceof Error ? at.cause : undefined
  ) {
    lines.push(at instanceof Error ? at.message : String(at));
  }
  return lines.length > 0 ? lines : [error instanceof Error ? (error.stack ?? error.message) : String(error)];
}
