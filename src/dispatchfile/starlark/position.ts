/** A place in a source file. Lines and columns count from one. */
export interface Position {
  file: string;
  line: number;
  column: number;
}

export interface TraceEntry {
  position: Position;
  function: string;
}

export function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** A program that cannot be read or has failed, with where and how it got there. */
export class StarlarkError extends Error {
  readonly position: Position | undefined;
  readonly trace: TraceEntry[];

  constructor(message: string, position?: Position, trace: TraceEntry[] = []) {
    super(message);
    this.name = 'StarlarkError';
    this.position = position;
    this.trace = trace;
  }

  /** The calls that led here, outermost first, and then what is wrong. */
  get backtrace(): string {
    if (this.trace.length === 0)
      return this.position === undefined ? this.message : `${formatPosition(this.position)}: ${this.message}`;
    const lines = this.trace.map((item) => `  ${formatPosition(item.position)}: in ${item.function}`);
    return ['Traceback (most recent call last):', ...lines, `Error: ${this.message}`].join('\n');
  }
}
