import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface SourceFile {
  path: string;
  mode?: number;
  /** Base64. */
  data: string;
}

export class BadSourceError extends Error {
  override name = 'BadSourceError';
}

const MAX_BYTES = 32 * 1024 * 1024;
const MAX_FILES = 10_000;
const DIGEST = /^sha256:([0-9a-f]{64})$/;
const GRACE_MS = 60 * 60_000;

/** The sources of functions by their digests: each namespace has its own, and none can be had from another. */
export class SourceStore {
  readonly #dir: string;
  readonly #now: () => number;

  constructor(dir: string, now: () => number) {
    this.#dir = dir;
    this.#now = now;
  }

  /** Resolves to the digest when it is on disk. What is there already is not written again. */
  async put(namespace: string, files: readonly SourceFile[]): Promise<string> {
    const text = JSON.stringify(checked(files));
    const hex = createHash('sha256').update(text).digest('hex');
    const path = this.#pathOf(namespace, hex);
    if ((await stat(path).catch(() => undefined)) !== undefined) return `sha256:${hex}`;
    await mkdir(join(this.#dir, namespace), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${randomUUID()}`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return `sha256:${hex}`;
  }

  /** Undefined when the namespace has none of that digest. */
  async get(namespace: string, digest: string): Promise<SourceFile[] | undefined> {
    const hex = DIGEST.exec(digest)?.[1];
    if (hex === undefined) return undefined;
    const text = await readFile(this.#pathOf(namespace, hex), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as SourceFile[]);
  }

  /** Removes what no revision names. What has just come may be named in a moment. */
  async prune(namespace: string, used: ReadonlySet<string>): Promise<void> {
    const dir = join(this.#dir, namespace);
    for (const name of await readdir(dir).catch(() => [])) {
      if (used.has(`sha256:${name.replace(/\.json$/, '')}`)) continue;
      const { mtimeMs } = await stat(join(dir, name));
      if (this.#now() - mtimeMs > GRACE_MS) await rm(join(dir, name), { force: true });
    }
  }

  #pathOf(namespace: string, hex: string): string {
    return join(this.#dir, namespace, `${hex}.json`);
  }
}

export function filesOfTexts(texts: Record<string, string>): SourceFile[] {
  return Object.entries(texts).map(([path, text]) => ({ path, data: Buffer.from(text).toString('base64') }));
}

/** In one order, with nothing that leads out of the directory that they are put in. */
function checked(files: readonly SourceFile[]): SourceFile[] {
  if (files.length === 0) throw new BadSourceError('The source has no files.');
  if (files.length > MAX_FILES) throw new BadSourceError(`The source has more than ${MAX_FILES} files.`);
  let bytes = 0;
  const result = files.map(({ path, mode, data }) => {
    if (typeof path !== 'string' || typeof data !== 'string')
      throw new BadSourceError('Each file of a source has a path and data.');
    const parts = path.split('/');
    if (
      path === '' ||
      path.length > 1024 ||
      path.includes('\0') ||
      parts.some((part) => part === '' || part === '.' || part === '..')
    )
      throw new BadSourceError(`The path ${JSON.stringify(path)} of the source leads out of it.`);
    bytes += data.length;
    return { path, ...(mode !== undefined && (mode & 0o111) !== 0 && { mode: 0o755 }), data };
  });
  if (bytes > MAX_BYTES * 1.4)
    throw new BadSourceError(
      `The source is larger than the ${MAX_BYTES / 1024 / 1024} MiB that are allowed.`,
    );
  return result.sort((a, b) => (a.path < b.path ? -1 : 1));
}
