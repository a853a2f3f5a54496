import { createHash, randomInt } from 'node:crypto';

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX = 5;
const MAX_PREFIX = 57;

/** A new name below a prefix, of letters that make no words. */
export function randomName(prefix: string): string {
  let suffix = '';
  for (let at = 0; at < SUFFIX; at += 1) suffix += ALPHABET[randomInt(ALPHABET.length)];
  return `${prefix.slice(0, MAX_PREFIX)}-${suffix}`;
}

/** A short name for a value, the same whatever order its keys are in. */
export function hashOf(value: unknown, salt = 0): string {
  const digest = createHash('sha256')
    .update(`${salt}${stableText(value)}`)
    .digest();
  let text = '';
  for (let at = 0; at < 10; at += 1) text += ALPHABET[digest[at]! % ALPHABET.length];
  return text;
}

export function stableText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${stableText(item)}`).join(',')}}`;
}
