const MAX_STARS = 12;

/** What of a directory does not belong to the context of a build. */
export class IgnoreList {
  readonly #rules: { pattern: RegExp; isException: boolean }[];

  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    this.#rules = text.split(/\r?\n/).flatMap((line) => {
      const trimmed = line.trim();
      if (trimmed === '' || trimmed.startsWith('#')) return [];
      const isException = trimmed.startsWith('!');
      const path = clean(isException ? trimmed.slice(1).trim() : trimmed);
      return path === '' ? [] : [{ pattern: toPattern(path), isException }];
    });
  }

  with(patterns: readonly string[]): IgnoreList {
    return new IgnoreList(`${this.#text}\n${patterns.join('\n')}`);
  }

  get hasExceptions(): boolean {
    return this.#rules.some((rule) => rule.isException);
  }

  /** The last rule that speaks of the path, or of a directory that it is in, decides. */
  ignores(path: string): boolean {
    let ignored = false;
    for (const { pattern, isException } of this.#rules) if (pattern.test(path)) ignored = !isException;
    return ignored;
  }
}

/** One pattern for paths: "*" within a name, "**" across names, "?" and sets. */
export function toPattern(path: string): RegExp {
  // Each star multiplies the ways in which a long name can be matched.
  if ((path.match(/\*/g) ?? []).length > MAX_STARS)
    throw new Error(`the pattern ${JSON.stringify(path)} has too many stars`);
  let source = '';
  for (let at = 0; at < path.length; at += 1) {
    const char = path[at]!;
    if (char === '*' && path[at + 1] === '*') {
      const slash = path[at + 2] === '/';
      source += slash ? '(?:.*/)?' : '.*';
      at += slash ? 2 : 1;
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = path.indexOf(']', at + 1);
      if (end < 0) source += '\\[';
      else {
        source += `[${path
          .slice(at + 1, end)
          .replace(/^!/, '^')
          .replaceAll('\\', '\\\\')}]`;
        at = end;
      }
    } else if (char === '\\' && at + 1 < path.length) source += escapeRegExp(path[++at]!);
    else source += escapeRegExp(char);
  }
  return new RegExp(`^${source}(?:/.*)?$`);
}

export function hasWildcard(path: string): boolean {
  return /[*?[]/.test(path);
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

function clean(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}
