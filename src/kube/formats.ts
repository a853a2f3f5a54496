import { isIP } from 'node:net';
import { RE2JS } from 're2js';

const patterns = new Map<string, RE2JS>();
const MAX_PATTERNS = 2000;

/** Patterns come from users: matching takes linear time whatever they are. Throws when the pattern is none. */
export function linearPattern(source: string): RE2JS {
  let pattern = patterns.get(source);
  if (pattern === undefined) {
    pattern = RE2JS.compile(source);
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    patterns.set(source, pattern);
  }
  return pattern;
}

export function isCidr(value: string): boolean {
  const [address = '', bits = '', ...rest] = value.split('/');
  const family = isIP(address);
  return (
    rest.length === 0 && family > 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  );
}
