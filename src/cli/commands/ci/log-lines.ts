import { type KubeClient, readLines } from '../../../kube/index.ts';
import type { Environment } from '../../environment.ts';

export interface LogLine {
  task: string;
  step: string;
  text: string;
}

export interface LogQuery {
  namespace: string;
  run: string;
  task?: string | undefined;
  step?: string | undefined;
  follow: boolean;
}

/** What the steps of a run print. */
export async function* logLines(
  client: KubeClient,
  { namespace, run, task, step, follow }: LogQuery,
): AsyncGenerator<LogLine> {
  const query = new URLSearchParams({ follow: String(follow) });
  if (task !== undefined) query.set('task', task);
  if (step !== undefined) query.set('step', step);
  const stream = await client.stream({
    method: 'GET',
    path: `/apis/run.dispatch.dev/v1alpha1/namespaces/${namespace}/pipelineruns/${encodeURIComponent(run)}/log`,
    query,
  });
  for await (const line of readLines(stream)) yield JSON.parse(line) as LogLine;
}

/** Colours of a terminal; none where output goes elsewhere. */
export function paint({ stdout, env }: Environment, code: number, text: string): string {
  return stdout.isTTY && env['NO_COLOR'] === undefined ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export async function printLogs(environment: Environment, lines: AsyncIterable<LogLine>): Promise<void> {
  for await (const { task, step, text } of lines)
    environment.stdout.write(`${paint(environment, 36, `[${task}/${step}]`)} ${text}\n`);
}
