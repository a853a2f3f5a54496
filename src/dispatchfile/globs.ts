/** Patterns with `*` (within a part), `**` (over parts), `?` and `[…]`; `!` in front takes away again. */
export function matchesGlobs(patterns: readonly string[] | undefined, value: string): boolean {
  if (patterns === undefined || patterns.length === 0) return true;
  const negative = patterns.filter((pattern) => pattern.startsWith('!'));
  const positive = patterns.filter((pattern) => !pattern.startsWith('!'));
  if (negative.some((pattern) => globMatches(pattern.slice(1), value))) return false;
  return positive.length === 0 || positive.some((pattern) => globMatches(pattern, value));
}

/** Compares without backtracking over the whole text, so that no pattern takes long. */
export function globMatches(pattern: string, value: string): boolean {
  const parts = parseGlob(pattern);
  // Which parts of the pattern may come next, after each character.
  let states = closure(parts, new Set([0]));
  for (const char of value) {
    const next = new Set<number>();
    for (const at of states) {
      const part = parts[at];
      if (part === undefined) continue;
      if (part.kind === 'any') next.add(at);
      else if (part.kind === 'within') {
        if (char !== '/') next.add(at);
      } else if (part.kind === 'char' && part.test(char)) next.add(at + 1);
    }
    states = closure(parts, next);
    if (states.size === 0) return false;
  }
  return states.has(parts.length);
}

type Part =
  | { kind: 'any' | 'within' }
  | { kind: 'char'; test: (char: string) => boolean; optionalSlash?: boolean };

/** What may be left out: both kinds of stars, and the slash after `**`. */
function closure(parts: readonly Part[], states: Set<number>): Set<number> {
  const open = [...states];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const part = parts[at];
    if (part === undefined || (part.kind === 'char' && !part.optionalSlash) || states.has(at + 1)) continue;
    states.add(at + 1);
    open.push(at + 1);
  }
  return states;
}

function parseGlob(pattern: string): Part[] {
  const parts: Part[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at]!;
    if (char === '*' && chars[at + 1] === '*') {
      while (chars[at + 1] === '*') at += 1;
      parts.push({ kind: 'any' });
      if (chars[at + 1] === '/') {
        at += 1;
        parts.push({ kind: 'char', test: (other) => other === '/', optionalSlash: true });
      }
    } else if (char === '*') parts.push({ kind: 'within' });
    else if (char === '?') parts.push({ kind: 'char', test: (other) => other !== '/' });
    else if (char === '[' && chars.indexOf(']', at + 2) > 0) {
      const close = chars.indexOf(']', at + 2);
      parts.push({ kind: 'char', test: classOf(chars.slice(at + 1, close)) });
      at = close;
    } else {
      if (char === '\\' && at + 1 < chars.length) at += 1;
      const wanted = chars[at]!;
      parts.push({ kind: 'char', test: (other) => other === wanted });
    }
  }
  return parts;
}

function classOf(chars: readonly string[]): (char: string) => boolean {
  const negated = chars[0] === '!' || chars[0] === '^';
  const body = negated ? chars.slice(1) : chars;
  const ranges: [string, string][] = [];
  for (let at = 0; at < body.length; at += 1) {
    const first = body[at]!;
    if (body[at + 1] === '-' && at + 2 < body.length) {
      ranges.push([first, body[at + 2]!]);
      at += 2;
    } else ranges.push([first, first]);
  }
  return (char) => char !== '/' && ranges.some(([from, to]) => char >= from && char <= to) !== negated;
}
