import { constants } from 'node:fs';
import {
  copyFile,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type KubeClient, type Pod, PODS } from '../../kube/index.ts';
import { type Run, TASK_RUNS } from '../resources.ts';
import { S3Bucket } from './s3.ts';

export interface ArtifactPlace {
  /** The pod whose step asks: run and task are read from it. */
  pod: { namespace: string; name: string };
  /** The storage resource. */
  name: string;
  /** "s3://bucket/prefix" */
  location: string | undefined;
  /** Where keys of the storage are looked for. */
  env: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

export interface ArtifactFile {
  /** "task/resource/path" */
  path: string;
  size: number;
}

const MAX_FILES = 100_000;
const MAX_BYTES = 50 * 1024 ** 3;
const SAFE = /^[\w][\w.-]*$/;

/** What tasks leave for others and for people: files of this machine, or a bucket where a resource names one. */
export class ArtifactStore {
  readonly #root: string;
  readonly #client: KubeClient;
  readonly #fetch: typeof fetch;

  /** `send` must reach nothing that trusts this machine: steps name the address. */
  constructor(root: string, client: KubeClient, send: typeof fetch) {
    this.#root = root;
    this.#client = client;
    this.#fetch = send;
  }

  /** Takes up a directory that a container has filled. Gives the number of files. */
  async put(at: ArtifactPlace, directory: string): Promise<number> {
    const { run, task } = await this.#owner(at);
    const temporary = join(this.#root, `.new-${randomUUID()}`);
    try {
      const counter = { files: 0, bytes: 0 };
      await copyTree(directory, temporary, await realpath(directory), counter);
      const bucket = S3Bucket.from(at, this.#fetch);
      if (bucket !== undefined)
        await bucket.upload(`${run}/${task}/${at.name}`, temporary, await filesBelow(temporary), at.signal);
      const target = this.#dir(at.pod.namespace, run, task, at.name);
      await mkdir(join(target, '..'), { recursive: true, mode: 0o700 });
      await rm(target, { recursive: true, force: true });
      await rename(temporary, target);
      return counter.files;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** Lays out what another task of the same run has left. */
  async get(at: ArtifactPlace, directory: string): Promise<number> {
    const { run } = await this.#owner(at);
    const base = join(this.#root, safe(at.pod.namespace), safe(run));
    for (const task of await readdir(base).catch(() => [])) {
      const source = join(base, task, safe(at.name));
      if ((await stat(source).catch(() => undefined)) === undefined) continue;
      const counter = { files: 0, bytes: 0 };
      await copyTree(source, directory, await realpath(source), counter);
      return counter.files;
    }
    const earlier = await this.#reused(at.pod.namespace, run, at.name);
    if (earlier === undefined) throw new Error(`no task of this run has left anything in ${at.name}`);
    const counter = { files: 0, bytes: 0 };
    await copyTree(earlier, directory, await realpath(earlier), counter);
    return counter.files;
  }

  /** What a task has left that was taken from an earlier run. */
  async #reused(namespace: string, run: string, name: string): Promise<string | undefined> {
    const { items } = await this.#client.list<Run>(TASK_RUNS, {
      namespace,
      labelSelector: `tekton.dev/pipelineRun=${run}`,
    });
    for (const item of items) {
      const from = (item.status as { reusedFrom?: { run: string } } | undefined)?.reusedFrom;
      const task = item.metadata.labels?.['tekton.dev/pipelineTask'];
      if (from === undefined || task === undefined) continue;
      const path = this.#dir(namespace, from.run, task, name);
      if ((await stat(path).catch(() => undefined)) !== undefined) return path;
    }
    return undefined;
  }

  async list(namespace: string, run: string): Promise<ArtifactFile[]> {
    const base = join(this.#root, safe(namespace), safe(run));
    if ((await stat(base).catch(() => undefined)) === undefined) return [];
    return filesBelow(base);
  }

  open(namespace: string, run: string, path: string): Promise<FileHandle> {
    if (path.split('/').some((part) => part === '..' || part === ''))
      throw new Error(`${path} is no artifact`);
    return open(
      join(this.#root, safe(namespace), safe(run), path),
      constants.O_RDONLY | constants.O_NOFOLLOW,
    );
  }

  async remove(namespace: string, run: string): Promise<void> {
    await rm(join(this.#root, safe(namespace), safe(run)), { recursive: true, force: true });
  }

  async #owner({ pod }: ArtifactPlace): Promise<{ run: string; task: string }> {
    const { metadata } = await this.#client.get<Pod>(PODS, pod.namespace, pod.name);
    const run = metadata.labels?.['tekton.dev/pipelineRun'] ?? metadata.labels?.['tekton.dev/taskRun'];
    if (run === undefined) throw new Error('only steps of runs have artifacts');
    return { run, task: metadata.labels?.['tekton.dev/pipelineTask'] ?? run };
  }

  #dir(...parts: string[]): string {
    return join(this.#root, ...parts.map(safe));
  }
}

function safe(part: string): string {
  if (!SAFE.test(part)) throw new Error(`${JSON.stringify(part)} is no name of artifacts`);
  return part;
}

/** Copies plain files and directories. Links are kept as links, and nothing outside of the root is read. */
async function copyTree(
  from: string,
  to: string,
  root: string,
  counter: { files: number; bytes: number },
): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const stats = await lstat(source);
    if (stats.isDirectory()) await copyTree(source, target, root, counter);
    else if (stats.isFile()) {
      counter.files += 1;
      counter.bytes += stats.size;
      if (counter.files > MAX_FILES || counter.bytes > MAX_BYTES)
        throw new Error(`there are more than ${MAX_FILES} files or ${MAX_BYTES / 1024 ** 3} GiB`);
      await copyPlain(source, target, root, stats.mode);
    }
  }
}

/** Where the opened file lies is asked of the kernel: a link that was swapped in meanwhile does not lead out. */
async function copyPlain(source: string, target: string, root: string, mode: number): Promise<void> {
  const file = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const real = await readlink(`/proc/self/fd/${file.fd}`);
    if (!real.startsWith(`${root}/`)) throw new Error(`${source} leads out of its directory`);
    await copyFile(`/proc/self/fd/${file.fd}`, target).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EXDEV' && error.code !== 'ELOOP') throw error;
      await writeFile(target, file.createReadStream({ autoClose: false }));
    });
    await using copy = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW);
    await copy.chmod(mode & 0o777);
  } finally {
    await file.close();
  }
}

async function filesBelow(root: string): Promise<ArtifactFile[]> {
  const found: ArtifactFile[] = [];
  const visit = async (dir: string, prefix: string): Promise<void> => {
    for (const name of (await readdir(dir)).sort()) {
      const stats = await lstat(join(dir, name));
      if (stats.isDirectory()) await visit(join(dir, name), `${prefix}${name}/`);
      else if (stats.isFile()) found.push({ path: `${prefix}${name}`, size: stats.size });
    }
  };
  await visit(root, '');
  return found;
}
