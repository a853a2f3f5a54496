/** What is known about a run before it starts: where its code comes from, and what asked for it. */
export interface BuildContext {
  buildName: string;
  git: { url: string; commit: string; branch: string; tag: string };
  chatopCommand: string;
}

/** The variables of a Dispatchfile that stand for one text. */
export function contextVariables(context: BuildContext): Map<string, string> {
  return new Map([
    ['context.build.name', context.buildName],
    ['context.git.url', context.git.url],
    ['context.git.commit', context.git.commit],
    ['context.git.branch', context.git.branch],
    ['context.git.tag', context.git.tag],
    ['context.chatop.command', context.chatopCommand],
  ]);
}

const VARIABLE = /\$\(([\w.[\]"'*-]+)\)/g;

/** Replaces variables in every string of a value; what nobody knows stays as it is. */
export function replaceVariables<T>(value: T, known: (name: string) => string | undefined): T {
  if (typeof value === 'string')
    return value.replaceAll(VARIABLE, (whole, name: string) => known(name) ?? whole) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => replaceVariables(item, known)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, replaceVariables(item, known)]),
  ) as T;
}

export function variablesIn(value: unknown): Set<string> {
  const found = new Set<string>();
  replaceVariables(value, (name) => void found.add(name));
  return found;
}
