import { join } from 'node:path';
import type { ServedCall } from '../../node/index.ts';
import type { ImageService } from '../image-service.ts';

/** Whether a pod may put an image under a name. */
export type MayPush = (pod: { namespace: string; name: string }, image: string) => Promise<boolean>;

export interface BuildStepDeps {
  images: () => ImageService;
  mayPush: MayPush;
}

/** What a step wants built, whichever program it believes to run. */
export interface BuildOrder {
  /** The directory on this machine, and the Dockerfile's text. */
  context: string;
  dockerfile: string;
  destinations: readonly string[];
  push: boolean;
  buildArgs: Record<string, string>;
  labels: Record<string, string>;
  target: string | undefined;
  noCache?: boolean;
  secrets?: Record<string, { value: string }>;
  /** Files of the step's own that hold the image. */
  outputs: readonly { type: 'tar' | 'oci'; path: string }[];
}

export const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Builds an image in the place of a step's program. Gives its digest. */
export async function buildInStep(
  order: BuildOrder,
  call: ServedCall,
  { images, mayPush }: BuildStepDeps,
): Promise<string> {
  const { context, dockerfile, destinations, push, buildArgs, labels, target, noCache, secrets } = order;
  if (push)
    for (const name of destinations)
      if (!(await mayPush(call.pod, name)))
        throw new Error(
          `this step may not push ${name}: images of this server belong to the namespace that their name begins with`,
        );
  const credentials = await credentialsOf(call);
  const scratch = await call.paths.scratch();
  const outputs = order.outputs.map(({ type }, at) => ({ type, path: join(scratch, `${type}-${at}`) }));
  const { digest } = await images().build(
    {
      context,
      dockerfileText: dockerfile,
      tags: [...destinations],
      push,
      buildArgs,
      labels,
      outputs,
      ...(noCache && { noCache }),
      ...(secrets !== undefined && { secrets }),
      ...(target !== undefined && { target }),
      ...(credentials !== undefined && { credentials }),
    },
    call.print,
    call.signal,
  );
  for (const [at, { path }] of order.outputs.entries()) await call.paths.place(outputs[at]!.path, path);
  return digest;
}

async function credentialsOf({ paths, env }: ServedCall): Promise<string | undefined> {
  const dirs = [env['DOCKER_CONFIG'], '/kaniko/.docker', '/tekton/home/.docker', '/root/.docker'].filter(
    (dir) => dir !== undefined,
  );
  for (const dir of dirs) {
    const text = await paths.read(join(dir, 'config.json'), MAX_FILE_BYTES);
    if (text !== undefined) return text;
  }
  return undefined;
}
