import { join } from 'node:path';
import type { ArtifactStore } from '../../ci/index.ts';
import type { ServedCall, ServedProgram } from '../../node/index.ts';
import { Flags } from './flags.ts';

const MAX_INDEX_BYTES = 1024 * 1024;

/** Steps that take up and lay out what tasks hand to each other. */
export function artifacts(store: () => ArtifactStore): ServedProgram {
  return async (call) => {
    // The name of the image stands where a program would.
    const [verb, ...rest] = call.argv.slice(1);
    const flags = new Flags(rest, { switches: [] });
    switch (verb) {
      case 'image-digest':
        return imageDigest(flags, call);
      case 'store':
      case 'fetch':
        return transfer(verb, flags, call, store());
      default:
        throw new Error(
          `${JSON.stringify(verb)} is no command of this image: use store, fetch or image-digest`,
        );
    }
  };
}

async function imageDigest(flags: Flags, { paths, print }: ServedCall): Promise<number> {
  const layout = flags.one('layout') ?? '';
  const text = await paths.read(join(layout, 'index.json'), MAX_INDEX_BYTES);
  const digest =
    text === undefined
      ? undefined
      : (JSON.parse(text) as { manifests?: { digest?: string }[] }).manifests?.[0]?.digest;
  if (digest === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new Error(`there is no image at ${layout}: the task has to leave an OCI layout there`);
  await paths.write(flags.one('result') ?? '', digest);
  print(`${digest}\n`);
  return 0;
}

async function transfer(
  verb: 'store' | 'fetch',
  flags: Flags,
  call: ServedCall,
  store: ArtifactStore,
): Promise<number> {
  const { paths, pod, env, print, signal } = call;
  const [name, path] = [flags.one('name') ?? '', flags.one('directory') ?? ''];
  const at = { pod, name, location: flags.one('location'), env, signal };
  if (verb === 'store') {
    const directory = await paths.directory(path);
    if (directory === undefined) throw new Error(`there is no directory ${path}`);
    print(`Stored ${await store.put(at, directory)} files\n`);
    return 0;
  }
  print(`Fetched ${await store.get(at, await paths.makeDirectory(path))} files\n`);
  return 0;
}
