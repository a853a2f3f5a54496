import { chmod, mkdir, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type KubeClient,
  type KubeObject,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type Pod,
  PODS,
  quantityNumber,
  type Volume,
  isApiError,
} from '../../kube/index.ts';
import { PodProblem } from '../pods/problem.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { writePayload } from './payload.ts';
import { type PayloadSource, payloadOf } from './sources.ts';

export interface VolumeOptions {
  client: KubeClient;
  runtime: Runtime;
  source: PayloadSource;
  /** Holds a directory per pod. */
  podsDir: string;
  /** Holds a directory per pod, in memory where the machine allows it. */
  secretsDir: string;
  /** Where persistent volumes lie: always allowed. */
  persistentDir: string;
  hostPathRoots: readonly string[];
  now: () => number;
}

export interface ReadyVolume {
  path: string;
  readOnly: boolean;
}

export interface ReadyVolumes {
  byName: Map<string, ReadyVolume>;
  /** What an ended container has written outside of its volumes, where this pod is to look at it. */
  below: string | undefined;
  refreshAt: number | undefined;
}

/** A pod with these sees the volumes of an ended one, and what one of its containers has written. */
const LOOKS_AT = 'dispatch.dev/looks-at';
const LOOKS_INTO = 'dispatch.dev/looks-into';
const CLAIM_SPEC_ACCESS = 'accessModes';

/** Makes the volumes of pods, and keeps those that are made of objects current. */
export class Volumes {
  readonly #options: VolumeOptions;

  constructor(options: VolumeOptions) {
    this.#options = options;
  }

  /** All volumes of the pod, made where they are missing. Throws a `PodProblem` while one cannot be. */
  async prepare(pod: Pod): Promise<ReadyVolumes> {
    const looked = await this.#lookedAt(pod);
    const ready: ReadyVolumes = { byName: new Map(), refreshAt: undefined, below: looked?.layer };
    for (const volume of pod.spec.volumes ?? []) {
      const left = looked?.volumes.get(volume.name);
      if (left !== undefined) {
        ready.byName.set(volume.name, { path: left, readOnly: false });
        continue;
      }
      const { made, refreshAt } = await this.#make(pod, volume);
      ready.byName.set(volume.name, made);
      if (refreshAt !== undefined)
        ready.refreshAt = Math.min(ready.refreshAt ?? Number.POSITIVE_INFINITY, refreshAt);
    }
    return ready;
  }

  /** What a pod that has ended has left, for one that is there to look at it. Both are of one namespace. */
  async #lookedAt(
    pod: Pod,
  ): Promise<{ volumes: Map<string, string>; layer: string | undefined } | undefined> {
    const { [LOOKS_AT]: name, [LOOKS_INTO]: container = '' } = pod.metadata.annotations ?? {};
    if (name === undefined) return undefined;
    const { client, podsDir } = this.#options;
    const ended = await client.get<Pod>(PODS, pod.metadata.namespace ?? '', name).catch(() => undefined);
    const dir = join(podsDir, ended === undefined ? '-' : podUid(ended));
    if (ended === undefined || (await stat(dir).catch(() => undefined)) === undefined)
      throw new PodProblem('FailedMount', `the pod ${name} has left nothing to look at`);
    const volumes = new Map(
      (ended.spec.volumes ?? []).flatMap((volume): [string, string][] =>
        volume.emptyDir === undefined ? [] : [[volume.name, join(dir, 'volumes', volume.name)]],
      ),
    );
    const known = ended.spec.containers.some((item) => item.name === container);
    const attempts = known ? await readdir(join(dir, 'containers', container)).catch(() => []) : [];
    const last = attempts
      .filter((item) => /^\d+$/.test(item))
      .sort((a, b) => Number(a) - Number(b))
      .at(-1);
    return {
      volumes,
      layer: last === undefined ? undefined : join(dir, 'containers', container, last, 'upper'),
    };
  }

  async remove(uid: string): Promise<void> {
    await this.removeSecrets(uid);
    await this.#options.runtime.removeFiles(join(this.#options.podsDir, uid));
  }

  /** What is made of Secrets and tokens, where the other volumes stay. */
  async removeSecrets(uid: string): Promise<void> {
    await rm(join(this.#options.secretsDir, uid), { recursive: true, force: true });
  }

  async #make(pod: Pod, volume: Volume): Promise<{ made: ReadyVolume; refreshAt?: number | undefined }> {
    const payload = await payloadOf(pod, volume, this.#options.source, this.#options.now());
    if (payload !== undefined) {
      const path = join(this.#options.secretsDir, podUid(pod), 'volumes', volume.name);
      if (await writePayload(path, payload.files)) await this.#own(pod, path);
      return { made: { path, readOnly: true }, refreshAt: payload.refreshAt };
    }
    if (volume.hostPath !== undefined) return { made: await this.#hostPath(volume.hostPath) };
    if (volume.persistentVolumeClaim !== undefined) {
      const { claimName, readOnly = false } = volume.persistentVolumeClaim;
      return { made: { path: await this.#claimed(pod, claimName), readOnly } };
    }
    if (volume.ephemeral !== undefined)
      return {
        made: { path: await this.#claimed(pod, `${pod.metadata.name}-${volume.name}`), readOnly: false },
      };
    return { made: { path: await this.#emptyDir(pod, volume), readOnly: false } };
  }

  async #emptyDir(pod: Pod, volume: Volume): Promise<string> {
    if (volume.emptyDir === undefined)
      throw new PodProblem(
        'FailedMount',
        `volume ${JSON.stringify(volume.name)} is of a kind that is not supported here`,
      );
    const path = join(this.#options.podsDir, podUid(pod), 'volumes', volume.name);
    if ((await stat(path).catch(() => undefined)) !== undefined) return path;
    await mkdir(path, { recursive: true });
    await chmod(path, 0o777);
    if (volume.emptyDir.medium === 'Memory') {
      const { sizeLimit } = volume.emptyDir;
      await this.#options.runtime.mountMemory(
        podUid(pod),
        path,
        sizeLimit === undefined ? undefined : quantityNumber(sizeLimit),
      );
    }
    await this.#own(pod, path);
    return path;
  }

  async #hostPath(source: { path: string; type?: string }): Promise<ReadyVolume> {
    const path = resolve(source.path);
    const refuse = (why: string): never => {
      throw new PodProblem('FailedMount', `hostPath ${path} ${why}`);
    };
    const roots = [...this.#options.hostPathRoots, this.#options.persistentDir];
    if (!roots.some((root) => isBelow(path, root)))
      refuse('is not below a directory that pods may use: name one with --host-path-root');
    const type = source.type ?? '';
    if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true });
    if (type === 'FileOrCreate') await writeFile(path, '', { flag: 'a' });
    const real = await realpath(path).catch(() => refuse('does not exist'));
    // A link below an allowed directory may lead anywhere.
    const realRoots = await Promise.all(roots.map((root) => realpath(root).catch(() => root)));
    if (!realRoots.some((root) => isBelow(real, root)))
      refuse('leads out of the directories that pods may use');
    const found = await stat(real);
    if (type.startsWith('Directory') && !found.isDirectory()) refuse('is not a directory');
    if (type.startsWith('File') && !found.isFile()) refuse('is not a file');
    return { path: real, readOnly: false };
  }

  async #claimed(pod: Pod, name: string): Promise<string> {
    const { client } = this.#options;
    const waiting = (why: string): PodProblem => new PodProblem('FailedMount', why);
    const claim = await client
      .get<KubeObject>(PERSISTENT_VOLUME_CLAIMS, pod.metadata.namespace ?? '', name)
      .catch((error: unknown) => {
        throw isApiError(error, 'NotFound') ? waiting(`persistentvolumeclaim "${name}" not found`) : error;
      });
    const { volumeName } = claim['spec'] as { volumeName?: string; [CLAIM_SPEC_ACCESS]?: string[] };
    const bound = (claim['status'] as { phase?: string } | undefined)?.phase === 'Bound';
    if (!bound || volumeName === undefined) throw waiting(`persistentvolumeclaim "${name}" is not bound`);
    const volume = await client.get<KubeObject>(PERSISTENT_VOLUMES, '', volumeName);
    const spec = volume['spec'] as { hostPath?: { path: string; type?: string }; local?: { path: string } };
    const source = spec.hostPath ?? spec.local;
    if (source === undefined)
      throw waiting(`persistentvolume "${volumeName}" is of a kind that is not supported here`);
    const { path } = await this.#hostPath({ ...source, type: 'DirectoryOrCreate' });
    await this.#own(pod, path);
    return path;
  }

  async #own(pod: Pod, path: string): Promise<void> {
    const group = pod.spec.securityContext?.fsGroup;
    if (group !== undefined) await this.#options.runtime.own(path, group);
  }
}

function podUid(pod: Pod): string {
  return pod.metadata.uid ?? '';
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
}
