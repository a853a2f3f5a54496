import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { cp, type FileHandle, mkdir, open, readlink, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Mount } from '../runtime.ts';

/**
 * The files of a container, as somebody outside of it sees them. Nothing is followed that leads out of a mount:
 * other containers of the pod may change links at any moment.
 */
export class ContainerPaths {
  readonly #mounts: { target: string; source: string; readOnly: boolean }[];
  readonly #cwd: string;
  readonly #own: string;

  /** What lies in no mount belongs to the container alone, and is kept in `own`. */
  constructor(mounts: readonly Mount[], own: string, cwd: string) {
    const binds = mounts.flatMap((mount) =>
      mount.type === 'bind'
        ? [
            {
              target: mount.target,
              source: join(mount.source, mount.subPath ?? ''),
              readOnly: mount.readOnly,
            },
          ]
        : [],
    );
    this.#mounts = [...binds, { target: '/', source: own, readOnly: false }].sort(
      (a, b) => b.target.length - a.target.length,
    );
    this.#cwd = cwd;
    this.#own = own;
  }

  /** A directory that no container sees: what is made there can be moved to its place whole. */
  async scratch(): Promise<string> {
    const path = join(this.#own, '..', `made-${randomUUID()}`);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Moves a file or directory of ours to a place of the container, instead of whatever is there. */
  async place(from: string, path: string): Promise<void> {
    const absolute = this.#absolute(path);
    const dir = await this.makeDirectory(dirname(absolute));
    const handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const to = `/proc/self/fd/${handle.fd}/${basename(absolute)}`;
      await rm(to, { recursive: true, force: true });
      await rename(from, to).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EXDEV') throw error;
        await cp(from, to, { recursive: true, errorOnExist: true });
        await rm(from, { recursive: true, force: true });
      });
    } finally {
      await handle.close();
    }
  }

  /** A directory that is there. Undefined where there is none, or where it leads out of its mount. */
  async directory(path: string): Promise<string | undefined> {
    const { root, full } = this.#locate(path);
    const real = await realpath(full).catch(() => undefined);
    return real !== undefined && isInside(real, await realpath(root)) ? real : undefined;
  }

  async read(path: string, maxBytes: number): Promise<string | undefined> {
    const { root, full } = this.#locate(path);
    let file: FileHandle;
    try {
      file = await open(full, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch {
      return undefined;
    }
    try {
      const real = await readlink(`/proc/self/fd/${file.fd}`);
      const { size } = await file.stat();
      return isInside(real, await realpath(root)) && size <= maxBytes
        ? await file.readFile('utf8')
        : undefined;
    } finally {
      await file.close();
    }
  }

  /** Writes a file, making the directories above it. */
  async write(path: string, content: string): Promise<void> {
    const dir = await this.makeDirectory(dirname(this.#absolute(path)));
    const handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const name = basename(path);
      // By the opened directory: it is the one that was checked, whatever has its name by now.
      const file = await open(
        `/proc/self/fd/${handle.fd}/${name}`,
        constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
        0o644,
      );
      await file.writeFile(content);
      await file.close();
    } finally {
      await handle.close();
    }
  }

  /** A directory that may be written to. */
  async makeDirectory(path: string): Promise<string> {
    const { root, full, readOnly } = this.#locate(path);
    if (readOnly) throw new Error(`${path} cannot be written: it is mounted read-only`);
    await mkdir(root, { recursive: true });
    const realRoot = await realpath(root);
    // Each step is checked before the next is made, so that nothing is made outside either.
    let current = realRoot;
    for (const part of full
      .slice(root.length)
      .split('/')
      .filter((item) => item !== '')) {
      const next = join(current, part);
      await mkdir(next).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      current = await realpath(next);
      if (!isInside(current, realRoot)) throw new Error(`${path} leads out of its volume`);
    }
    return current;
  }

  #absolute(path: string): string {
    return join('/', path.startsWith('/') ? path : join(this.#cwd, path));
  }

  #locate(path: string): { root: string; full: string; readOnly: boolean } {
    const absolute = this.#absolute(path);
    const mount = this.#mounts.find(
      ({ target }) => target === '/' || absolute === target || absolute.startsWith(`${target}/`),
    )!;
    const rest = mount.target === '/' ? absolute : absolute.slice(mount.target.length);
    return { root: mount.source, full: join(mount.source, rest), readOnly: mount.readOnly };
  }
}

function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}
