/** A place in a file of the user. Lines and columns count from one. */
export interface Place {
  file: string;
  line: number;
  column: number;
}

export type Path = readonly (string | number)[];

/** Finds where a value of the pipeline is written. */
export type PlaceOf = (path: Path) => Place | undefined;

export interface Problem {
  message: string;
  place: Place | undefined;
}

/** A Dispatchfile that is no pipeline: every problem of it, each with its place. */
export class DispatchfileError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    super(problems.map(formatProblem).join('\n'), options);
    this.name = 'DispatchfileError';
    this.problems = problems;
  }
}

export function formatProblem({ message, place }: Problem): string {
  return place === undefined ? message : `${place.file}:${place.line}:${place.column}: ${message}`;
}

export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}
