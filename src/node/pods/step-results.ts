import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod } from '../../kube/index.ts';
import type { ReadyVolume } from '../volumes/volumes.ts';
import { openInside } from '../volumes/volume-reader.ts';

/** Names the volume where the steps of a pod leave their results: "<step>/results/<name>". */
const VOLUME = 'dispatch.dev/step-results';
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
  const replace = async (text: string): Promise<string> => {
    let result = text;
    for (const [token, step, name] of text.matchAll(TOKEN))
      result = result.replaceAll(token, (await read(dir, `${step}/results/${name}`)) ?? token);
    return result;
  };
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

/** Before anything of the pod has run: nobody can have put links in the way. */
async function makeDirectories(dir: string, { spec }: Pod): Promise<void> {
  for (const { name } of spec.containers) {
    const path = join(dir, name.replace(/^step-/, ''), 'results');
    await mkdir(path, { recursive: true });
    // Steps may run as any user.
    await chmod(path, 0o777);
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
