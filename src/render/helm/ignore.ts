/** What a `.helmignore` leaves out of a chart. */
export function ignoreRules(text: string): (path: string) => boolean {
  const rules = `${text}\ntemplates/.?*`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(ruleOf);
  return (path) => {
    if (path === '.helmignore') return true;
    const parts = path.split('/');
    // A directory that is left out takes everything in it along.
    return parts.some((_, at) => isIgnored(rules, parts.slice(0, at + 1).join('/'), at < parts.length - 1));
  };
}

interface Rule {
  negates: boolean;
  directoriesOnly: boolean;
  wholePath: boolean;
  pattern: RegExp;
}

function isIgnored(rules: readonly Rule[], path: string, isDirectory: boolean): boolean {
  for (const { negates, directoriesOnly, wholePath, pattern } of rules) {
    const subject = wholePath ? path : path.slice(path.lastIndexOf('/') + 1);
    if (negates) {
      if (directoriesOnly && !isDirectory) return true;
      if (!pattern.test(subject)) return true;
      continue;
    }
    if (directoriesOnly && !isDirectory) continue;
    if (pattern.test(subject)) return true;
  }
  return false;
}

function ruleOf(line: string): Rule {
  const negates = line.startsWith('!');
  let text = negates ? line.slice(1) : line;
  const directoriesOnly = text.endsWith('/');
  if (directoriesOnly) text = text.slice(0, -1);
  const wholePath = text.includes('/');
  return { negates, directoriesOnly, wholePath, pattern: globPattern(text.replace(/^\//, '')) };
}

/** Go's filepath.Match. */
export function globPattern(glob: string): RegExp {
  const text = glob.replaceAll(
    /\[(\^?)((?:\\.|[^\]])+)\]|\\(.)|[*?]|[.+^${}()|[\]]/g,
    (part, not?: string, set?: string, literal?: string) => {
      if (set !== undefined) return `[${not ?? ''}${set.replaceAll('[', '\\[')}]`;
      if (literal !== undefined) return `\\${literal}`;
      if (part === '*') return '[^/]*';
      return part === '?' ? '[^/]' : `\\${part}`;
    },
  );
  return new RegExp(`^${text}$`, 's');
}
