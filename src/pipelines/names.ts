import { createHash } from 'node:crypto';

const MAX_NAME = 63;

/** A name for something that belongs to another; cut and made unique again where it is too long. */
export function childName(parent: string, suffix: string): string {
  const name = `${parent}${suffix}`;
  if (name.length <= MAX_NAME) return name;
  const hash = createHash('sha256').update(parent).digest('hex').slice(0, 10);
  const room = MAX_NAME - hash.length - 1;
  if (suffix.length > room)
    return `${name.slice(0, room)}-${createHash('sha256').update(name).digest('hex').slice(0, 10)}`.replaceAll(
      /--+/g,
      '-',
    );
  return `${parent.slice(0, room - suffix.length)}-${hash}${suffix}`.replaceAll(/--+/g, '-');
}
