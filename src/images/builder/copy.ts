import { readFileSync, readlinkSync } from 'node:fs';
import type { NewEntry } from './layer-store.ts';
import type { LayerView } from './layer-view.ts';
import type { Source } from './sources.ts';

export interface CopyTarget {
  /** As written, absolute. */
  destination: string;
  /** The tree that it goes into. */
  view: LayerView;
  owner: { uid: number; gid: number } | undefined;
  mode: ((current: number, isDirectory: boolean) => number) | undefined;
  /** Whether sources keep their owners, as those of other stages do. */
  keepOwners: boolean;
}

/** The entries of the layer that a COPY makes. */
export function copyEntries(sources: readonly Source[], target: CopyTarget): NewEntry[] {
  const { destination, view } = target;
  const endsWithSlash = destination.endsWith('/') || destination.endsWith('/.');
  const resolved = view.resolve(destination);
  const existing = view.lookup(resolved);
  const isDirectory = endsWithSlash || existing?.stats.isDirectory() === true || sources.length > 1;
  const entries = new Map<string, NewEntry>();
  for (const source of sources) {
    const base = source.isDirectory ? resolved : isDirectory ? join(resolved, source.name) : resolved;
    addParents(source.isDirectory ? resolved : parentOf(base), target, entries);
    for (const { relative, source: file, stats } of source.entries) {
      const name = relative === '' ? base : join(base, relative);
      // The directory that is copied is its contents: what is there already stays what it is.
      if (name === '' || (stats.isDirectory() && relative === '' && view.lookup(name)?.stats.isDirectory()))
        continue;
      const type = stats.isSymbolicLink() ? 'symlink' : stats.isDirectory() ? 'directory' : 'file';
      if (type === 'file' && !stats.isFile()) continue;
      const mode = stats.mode & 0o7777;
      const owner =
        target.owner ?? (target.keepOwners ? { uid: stats.uid, gid: stats.gid } : { uid: 0, gid: 0 });
      entries.set(name, {
        entry: {
          name,
          type,
          mode: target.mode === undefined ? mode : target.mode(mode, type === 'directory'),
          ...owner,
          ...(type === 'symlink' && { linkname: readlinkSync(file) }),
          ...(type === 'file' && { size: stats.size }),
        },
        ...(type === 'file' && { source: file }),
      });
    }
  }
  return [...entries.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
}

/** Entries for one file whose bytes are at hand. */
export function contentEntries(name: string, content: Buffer, target: CopyTarget): NewEntry[] {
  const resolved = target.view.resolve(target.destination);
  const intoDirectory =
    target.destination.endsWith('/') || target.view.lookup(resolved)?.stats.isDirectory() === true;
  const path = intoDirectory ? join(resolved, name) : resolved;
  const entries = new Map<string, NewEntry>();
  addParents(parentOf(path), target, entries);
  const mode = target.mode === undefined ? 0o644 : target.mode(0o644, false);
  const { uid, gid } = target.owner ?? { uid: 0, gid: 0 };
  entries.set(path, { entry: { name: path, type: 'file', mode, uid, gid, size: content.length }, content });
  return [...entries.values()];
}

/** Directories on the way. Those that are there keep what they are; in the layer they need the same face. */
export function addParents(
  path: string,
  target: Pick<CopyTarget, 'view' | 'owner'>,
  entries: Map<string, NewEntry>,
): void {
  if (path === '') return;
  addParents(parentOf(path), target, entries);
  if (entries.has(path)) return;
  const known = target.view.lookup(path);
  const { uid, gid } = known?.stats ?? target.owner ?? { uid: 0, gid: 0 };
  entries.set(path, {
    entry: { name: path, type: 'directory', mode: (known?.stats.mode ?? 0o755) & 0o7777, uid, gid },
  });
}

/** "name:group" by the files of the tree itself, or by number. */
export function ownerOf(text: string, view: LayerView): { uid: number; gid: number } {
  const [user = '', group] = text.split(':');
  const users = table(view, 'etc/passwd');
  const entry = users.find((fields) => (/^\d+$/.test(user) ? fields[2] === user : fields[0] === user));
  if (entry === undefined && !/^\d+$/.test(user))
    throw new Error(`the image has no user ${JSON.stringify(user)}`);
  const uid = Number(entry?.[2] ?? user);
  if (group === undefined || group === '') return { uid, gid: Number(entry?.[3] ?? uid) };
  if (/^\d+$/.test(group)) return { uid, gid: Number(group) };
  const found = table(view, 'etc/group').find((fields) => fields[0] === group);
  if (found === undefined) throw new Error(`the image has no group ${JSON.stringify(group)}`);
  return { uid, gid: Number(found[2]) };
}

/** "755", "0644", or "u=rwX,go=rX": the modes that COPY takes. */
export function modeOf(text: string): (current: number, isDirectory: boolean) => number {
  if (/^[0-7]{1,4}$/.test(text)) return () => Number.parseInt(text, 8);
  const clauses = text.split(',').map((clause) => /^([ugoa]*)([=+-])([rwxXst]*)$/.exec(clause));
  if (clauses.some((clause) => clause === null)) throw new Error(`${JSON.stringify(text)} is no mode`);
  return (current, isDirectory) => {
    let mode = current;
    for (const [, who = '', operator, what = ''] of clauses as RegExpExecArray[]) {
      const groups = who === '' || who.includes('a') ? 'ugo' : who;
      let bits = 0;
      for (const group of groups) {
        const shift = { u: 6, g: 3, o: 0 }[group as 'u' | 'g' | 'o'];
        const x = what.includes('x') || (what.includes('X') && (isDirectory || (current & 0o111) !== 0));
        bits |= ((what.includes('r') ? 4 : 0) | (what.includes('w') ? 2 : 0) | (x ? 1 : 0)) << shift;
        if (operator === '=') mode &= ~(7 << shift);
      }
      mode = operator === '-' ? mode & ~bits : mode | bits;
    }
    return mode;
  };
}

function table(view: LayerView, path: string): string[][] {
  const found = view.lookup(view.resolve(path));
  if (found === undefined) return [];
  return readFileSync(found.source, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
}

function join(base: string, name: string): string {
  return base === '' ? name : `${base}/${name}`;
}

function parentOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}
