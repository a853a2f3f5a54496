import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** One row of the table in docs/architecture.md: a room, and the rooms that it may import. */
export function readRooms(markdown: string): Map<string, Set<string>> {
  const rooms = new Map<string, Set<string>>();
  for (const line of markdown.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const room = /^`src\/([a-z]+)`$/.exec(cells[1] ?? '')?.[1];
    if (room === undefined) continue;
    const allowed = [...(cells[3] ?? '').matchAll(/`([a-z]+)`/g)].map((match) => match[1]!);
    rooms.set(room, new Set(allowed));
  }
  return rooms;
}

/** Rooms import only what the table allows, and only through an `index.ts`. */
export function checkBoundaries(root: string): string[] {
  const src = join(root, 'src');
  const rooms = readRooms(readFileSync(join(root, 'docs', 'architecture.md'), 'utf8'));
  const problems: string[] = [];
  for (const name of readdirSync(src))
    if (!rooms.has(name)) problems.push(`src/${name} has no row in docs/architecture.md`);
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const room = file.split('/')[0]!;
    for (const target of importsOf(join(src, file))) {
      const to = relative(src, resolve(dirname(join(src, file)), target));
      const other = to.split('/')[0]!;
      if (other === '..' || other === room) continue;
      if (!rooms.get(room)?.has(other))
        problems.push(`src/${file} imports src/${other}, which its row does not allow`);
      else if (to !== `${other}/index.ts`)
        problems.push(`src/${file} enters src/${other} through ${to}, not through its index.ts`);
    }
  }
  return problems;
}

function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1]!);
}
