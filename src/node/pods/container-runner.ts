import { chmod, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Container, type Pod, quantityNumber } from '../../kube/index.ts';
import { CAPABILITIES } from '../keeper/constants.ts';
import {
  type ContainerSpec,
  type ContainerState,
  type Mount,
  type Runtime,
  StartError,
} from '../runtime/runtime.ts';
import type { ReadyVolume } from '../volumes/volumes.ts';
import type { ContainerTrack } from './container-track.ts';
import { environmentOf, expand, type ValueSource } from './environment.ts';
import type { ImageSource, ReadyImage } from './images.ts';
import { PodProblem } from './problem.ts';
import { securityOf } from './security.ts';
import { withStepResults } from './step-results.ts';

export interface RunnerOptions {
  runtime: Runtime;
  images: ImageSource;
  values: ValueSource;
  podsDir: string;
  logsDir: string;
  allowPrivileged: boolean;
  /** How the API is reached from the host's network. */
  hostApi: { host: string; port: number };
  /** Environment that a container of the host's network needs beyond what it asks for. */
  pidLimit: number;
}

export interface PodFiles {
  hosts: string;
  resolv: string;
}

const TERMINATION_PATH = '/dev/termination-log';
const MAX_TERMINATION_BYTES = 4096;
const MAX_LOG_TAIL_BYTES = 2048;
const ALL_CAPABILITIES: readonly string[] = CAPABILITIES;

/** Starts attempts of containers: everything between the words of a pod and a runtime that wants no more words. */
export class ContainerRunner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  dirOf(pod: Pod, name: string, attempt: number): string {
    return join(this.#options.podsDir, pod.metadata.uid ?? '', 'containers', name, String(attempt));
  }

  logOf(pod: Pod, name: string, attempt: number): string {
    return join(this.#options.logsDir, pod.metadata.uid ?? '', name, `${attempt}.log`);
  }

  /** Makes the files that all containers of the pod see. */
  async podFiles(pod: Pod, texts: { hosts: string; resolv: string }): Promise<PodFiles> {
    const dir = join(this.#options.podsDir, pod.metadata.uid ?? '');
    await mkdir(dir, { recursive: true, mode: 0o755 });
    const files = { hosts: join(dir, 'hosts'), resolv: join(dir, 'resolv.conf') };
    await writeFile(files.hosts, texts.hosts, { mode: 0o644 });
    await writeFile(files.resolv, texts.resolv, { mode: 0o644 });
    return files;
  }

  async start(
    pod: Pod,
    track: ContainerTrack,
    image: ReadyImage,
    surroundings: {
      volumes: ReadonlyMap<string, ReadyVolume>;
      files: PodFiles;
      below?: string | undefined;
      /** The container among whose processes this one is to live. */
      joins?: string | undefined;
    },
  ): Promise<ContainerState> {
    const { spec: container } = track;
    const attempt = track.attempts;
    const { config } = image;
    const dir = this.dirOf(pod, container.name, attempt);
    const own = await withStepResults(pod, container, surroundings.volumes);
    const env = await environmentOf(pod, own, config.Env ?? [], this.#options.values);
    if (pod.spec.hostNetwork) {
      env['KUBERNETES_SERVICE_HOST'] = this.#options.hostApi.host;
      env['KUBERNETES_SERVICE_PORT'] = String(this.#options.hostApi.port);
    }
    const security = securityOf(pod, container, config.User ?? '', ALL_CAPABILITIES);
    if (security.privileged && !this.#options.allowPrivileged)
      throw new PodProblem(
        'CreateContainerConfigError',
        'privileged containers are not allowed here: start the server with --allow-privileged to allow them',
      );
    await mkdir(dir, { recursive: true });
    const termination = join(dir, 'termination-log');
    await writeFile(termination, '');
    // Any user of the container may leave its last words there.
    await chmod(termination, 0o666);
    const spec: ContainerSpec = {
      id: `${pod.metadata.uid}/${container.name}/${attempt}`,
      podUid: pod.metadata.uid ?? '',
      name: container.name,
      attempt,
      image: {
        layers: [...(surroundings.below ? [surroundings.below] : []), image.rootfs],
        reference: image.reference,
      },
      argv: argvOf(own, config, env),
      env,
      cwd: container.workingDir || config.WorkingDir || '/',
      ...security,
      hostNetwork: pod.spec.hostNetwork === true,
      stdin: container.stdin === true,
      tty: container.tty === true,
      mounts: [
        ...volumeMounts(container, surroundings.volumes, env),
        { type: 'bind', source: surroundings.files.hosts, target: '/etc/hosts', readOnly: false },
        { type: 'bind', source: surroundings.files.resolv, target: '/etc/resolv.conf', readOnly: false },
        {
          type: 'bind',
          source: termination,
          target: container.terminationMessagePath || TERMINATION_PATH,
          readOnly: false,
        },
      ],
      dir,
      log: this.logOf(pod, container.name, attempt),
      limits: this.#limitsOf(container),
      ...(surroundings.joins !== undefined && { joins: surroundings.joins }),
    };
    return this.#options.runtime.startContainer(spec);
  }

  /** What the container left as its last words. */
  async terminationMessage(pod: Pod, track: ContainerTrack, failed: boolean): Promise<string | undefined> {
    const { spec: container, current } = track;
    if (current === undefined) return undefined;
    const path = join(this.dirOf(pod, container.name, current.attempt), 'termination-log');
    const said = await readTail(path, MAX_TERMINATION_BYTES);
    if (said !== '') return said;
    if (!failed || container.terminationMessagePolicy !== 'FallbackToLogsOnError') return undefined;
    const log = await readTail(this.logOf(pod, container.name, current.attempt), MAX_LOG_TAIL_BYTES * 2);
    const lines = log.split('\n').map((line) => line.split(' ').slice(3).join(' '));
    return lines.slice(-80).join('\n').slice(-MAX_LOG_TAIL_BYTES) || undefined;
  }

  #limitsOf(container: Container): ContainerSpec['limits'] {
    const { limits = {} } = container.resources ?? {};
    return {
      pids: this.#options.pidLimit,
      ...(limits['memory'] !== undefined && { memoryBytes: quantityNumber(limits['memory']) }),
      ...(limits['cpu'] !== undefined && { cpuMillis: quantityNumber(limits['cpu']) * 1000 }),
      ...(limits['ephemeral-storage'] !== undefined && {
        storageBytes: quantityNumber(limits['ephemeral-storage']),
      }),
    };
  }
}

/** `command` takes the place of the image's entry point, and then the image's own arguments do not count. */
function argvOf(
  container: Container,
  config: { Entrypoint?: string[]; Cmd?: string[] },
  env: Record<string, string>,
): string[] {
  const command = container.command?.map((word) => expand(word, env));
  const args = container.args?.map((word) => expand(word, env));
  const argv =
    command !== undefined && command.length > 0
      ? [...command, ...(args ?? [])]
      : [...(config.Entrypoint ?? []), ...(args ?? config.Cmd ?? [])];
  if (argv.length === 0)
    throw new StartError('no command specified: the image names none, and neither does the container', 128);
  return argv;
}

function volumeMounts(
  container: Container,
  volumes: ReadonlyMap<string, ReadyVolume>,
  env: Record<string, string>,
): Mount[] {
  // Parents before what lies inside of them, whatever order the pod names them in.
  const sorted = (container.volumeMounts ?? []).toSorted(
    (a, b) => a.mountPath.split('/').length - b.mountPath.split('/').length,
  );
  return sorted.map((mount) => {
    const volume = volumes.get(mount.name);
    if (volume === undefined)
      throw new PodProblem(
        'CreateContainerConfigError',
        `the pod has no volume named ${JSON.stringify(mount.name)}`,
      );
    const subPath = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, env);
    if (subPath?.split('/').includes('..') || subPath?.startsWith('/'))
      throw new PodProblem(
        'CreateContainerConfigError',
        `the subPath ${JSON.stringify(subPath)} leads out of its volume`,
      );
    return {
      type: 'bind',
      source: volume.path,
      ...(subPath && { subPath }),
      target: mount.mountPath,
      readOnly: mount.readOnly === true || volume.readOnly,
    };
  });
}

async function readTail(path: string, bytes: number): Promise<string> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    const start = Math.max(0, size - bytes);
    const buffer = Buffer.alloc(Math.min(bytes, size));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    return buffer.subarray(0, bytesRead).toString();
  } catch {
    return '';
  }
}
