import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  allHold,
  BadExpressionError,
  type Container,
  type Pod,
  type WhenExpression,
} from '../../kube/index.ts';
import { StartError } from '../runtime/runtime.ts';
import type { ReadyVolume } from '../volumes/volumes.ts';
import { openInside, writeInside } from '../volumes/volume-reader.ts';

/** Names the volume where the steps of a pod leave their results: "<step>/results/<name>". */
const VOLUME = 'dispatch.dev/step-results';
/** The conditions of steps, by container: each runs only where all of its own hold. */
const WHEN = 'dispatch.dev/step-when';
const TOKEN = /\$\(steps\.([a-z0-9-]+)\.results\.([\w-]+)\)/g;
const MAX_BYTES = 128 * 1024;

/** The container with the results of earlier steps in its words. They are known only when it is about to start. */
export async function withStepResults(
  pod: Pod,
  container: Container,
  volumes: ReadonlyMap<string, ReadyVolume>,
): Promise<Container> {
  const dir = volumes.get(pod.metadata.annotations?.[VOLUME] ?? '')?.path;
  if (dir === undefined) return container;
  if ((await readdir(dir)).length === 0) await makeDirectories(dir, pod);
  const { command, args, env } = container;
  const replace = (text: string): Promise<string> => withResults(text, dir);
  return {
    ...container,
    ...(command && { command: await Promise.all(command.map(replace)) }),
    ...(args && { args: await Promise.all(args.map(replace)) }),
    ...(env && {
      env: await Promise.all(
        env.map(async (item) =>
          item.value === undefined ? item : { ...item, value: await replace(item.value) },
        ),
      ),
    }),
  };
}

/** Writes down how the steps before one have ended: "step-<name>/exitCode". Each is told once. */
export async function leaveExitCodes(
  pod: Pod,
  ended: readonly { name: string; exitCode: number }[],
  volumes: ReadonlyMap<string, ReadyVolume>,
): Promise<void> {
  const dir = volumes.get(pod.metadata.annotations?.[VOLUME] ?? '')?.path;
  if (dir === undefined) return;
  for (const { name, exitCode } of ended)
    await writeInside(dir, { directory: name, file: 'exitCode', text: String(exitCode) });
}

/** Whether a step is to run at all, now that those before it have ended. */
export async function isStepWanted(
  pod: Pod,
  { name }: Container,
  volumes: ReadonlyMap<string, ReadyVolume>,
): Promise<boolean> {
  const text = pod.metadata.annotations?.[WHEN];
  if (text === undefined) return true;
  const when = (JSON.parse(text) as Record<string, WhenExpression[]>)[name];
  const dir = volumes.get(pod.metadata.annotations?.[VOLUME] ?? '')?.path;
  if (when === undefined || dir === undefined) return true;
  const replace = (value: string): Promise<string> => withResults(value, dir);
  try {
    return allHold(
      await Promise.all(
        when.map(async ({ input, values, cel, ...rest }) => ({
          ...rest,
          ...(input !== undefined && { input: await replace(input) }),
          ...(values !== undefined && { values: await Promise.all(values.map(replace)) }),
          ...(cel !== undefined && { cel: await replace(cel) }),
        })),
      ),
    );
  } catch (error) {
    if (error instanceof BadExpressionError) throw new StartError(error.message, 128);
    throw error;
  }
}

async function withResults(text: string, dir: string): Promise<string> {
  let result = text;
  for (const [token, step, name] of text.matchAll(TOKEN))
    result = result.replaceAll(token, (await read(dir, `${step}/results/${name}`)) ?? token);
  return result;
}

/** Before anything of the pod has run: nobody can have put links in the way. */
async function makeDirectories(dir: string, { spec }: Pod): Promise<void> {
  for (const { name } of spec.containers) {
    const path = join(dir, name.replace(/^step-/, ''), 'results');
    await mkdir(path, { recursive: true });
    // Steps may run as any user.
    await chmod(path, 0o777);
    await mkdir(join(dir, name), { recursive: true });
  }
}

async function read(dir: string, path: string): Promise<string | undefined> {
  const file = await openInside(dir, path);
  if (file === undefined) return undefined;
  try {
    return (await file.stat()).size > MAX_BYTES ? undefined : await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
