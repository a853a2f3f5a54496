import { execFile } from 'node:child_process';
import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { delimiter, join, normalize } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MERGED = ['bin', 'sbin', 'lib', 'lib64', 'lib32'];

/** A file of the image: where it goes, and the file of this machine that it is. */
export type Files = Map<string, string>;

/** Where a program of this machine is, past every link and shim; undefined when it is not installed. */
export function findProgram(name: string, path: string): string | undefined {
  for (const dir of path.split(delimiter)) {
    const candidate = join(dir, name);
    try {
      const found = statSync(candidate);
      if (found.isFile() && (found.mode & 0o111) !== 0) return candidate;
    } catch {
      // Paths name directories that are not there, or that others keep closed.
    }
  }
  return undefined;
}

/** Adds programs under /usr/bin, each with the libraries that it loads. */
export async function addPrograms(files: Files, programs: Record<string, string>): Promise<void> {
  for (const [name, source] of Object.entries(programs)) files.set(`usr/bin/${name}`, realpathSync(source));
  await addLibraries(files, Object.values(programs));
}

/** Adds the libraries of programs and of other libraries, at the paths where they are looked for. */
export async function addLibraries(files: Files, binaries: readonly string[]): Promise<void> {
  if (binaries.length === 0) return;
  // A file that is no dynamic program is reported by the exit code, and the others are listed all the same.
  const { stdout } = await run('ldd', [...binaries], {
    maxBuffer: 16 * 1024 * 1024,
    env: { PATH: process.env['PATH'] },
  }).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  for (const line of stdout.split('\n')) {
    const path = /(?:=>\s*)?(\/\S+)\s+\(0x/.exec(line)?.[1];
    // Some programs look for theirs beside themselves: "bin/../lib".
    if (path !== undefined) files.set(inImage(normalize(path)), realpathSync(path));
  }
}

/** Adds everything below a directory of this machine, at the same path. */
export function addTree(files: Files, root: string, skip: (path: string) => boolean): void {
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const path = join(root, entry.name);
    if (skip(path)) continue;
    if (entry.isDirectory()) addTree(files, path, skip);
    else if (entry.isFile() || entry.isSymbolicLink()) {
      const real = lstatSync(path).isSymbolicLink() ? realOrUndefined(path) : path;
      if (real !== undefined && statSync(real).isFile()) files.set(inImage(path), real);
    }
  }
}

/** The path in an image whose /bin, /lib and the like are links into /usr. */
export function inImage(path: string): string {
  const relative = path.slice(1);
  const top = relative.split('/')[0]!;
  return MERGED.includes(top) ? `usr/${relative}` : relative;
}

function realOrUndefined(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
