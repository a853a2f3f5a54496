import { randomBytes } from 'node:crypto';

const MAX_NAME = 63;
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** `<repository>-<build number>-<build name>-<7 of the commit>-<5 random>`, cut where it is too long. */
export function runName(parts: {
  repository: string;
  number: number;
  build: string;
  commit: string;
}): string {
  const clean = (text: string): string =>
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '');
  const random = Array.from(randomBytes(5), (byte) => LETTERS[byte % LETTERS.length]).join('');
  const end = [parts.commit.slice(0, 7), random].filter((part) => part !== '').join('-');
  const room = MAX_NAME - end.length - String(parts.number).length - 3;
  const build = clean(parts.build).slice(0, Math.floor(room / 2)) || 'build';
  const repository = clean(parts.repository).slice(0, room - build.length) || 'repository';
  return `${repository}-${parts.number}-${build}-${end}`.replaceAll(/--+/g, '-');
}
