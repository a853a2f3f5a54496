import { type Position, StarlarkError, type TraceEntry } from './position.ts';
import { type Callable, type CallArguments, type Value, ValueError } from './values.ts';

export interface Limits {
  /** Operations that a program may take. */
  steps: number;
  /** Bytes, roughly, that its values may take. */
  bytes: number;
  /** Calls inside of calls. */
  depth: number;
}

export const DEFAULT_LIMITS: Limits = { steps: 50_000_000, bytes: 512 * 1024 * 1024, depth: 100 };

interface Frame {
  callee: Callable | undefined;
  name: string;
  position: Position | undefined;
}

/** One run of a program: what it has used up, and the calls that it is in. */
export class Thread {
  readonly print: (text: string) => void;
  readonly #limits: Limits;
  readonly #frames: Frame[] = [];
  #steps = 0;
  #bytes = 0;

  constructor(options: { limits?: Partial<Limits>; print?: (text: string) => void } = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.print = options.print ?? (() => {});
  }

  step(): void {
    this.#steps += 1;
    if (this.#steps > this.#limits.steps)
      throw new ValueError(`the program takes more than ${this.#limits.steps} steps`);
  }

  /** Counts work that one operation does on many things. */
  work(amount: number): void {
    this.#steps += amount;
    this.step();
  }

  allocate(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.bytes)
      throw new ValueError(
        `the program needs more memory than the ${Math.round(this.#limits.bytes / 1024 / 1024)} MiB that it may have`,
      );
  }

  /** Where the innermost call stands now. */
  at(position: Position): void {
    const frame = this.#frames.at(-1);
    if (frame !== undefined) frame.position = position;
  }

  /** Where the program stands: functions of the host have no place of their own. */
  get position(): Position | undefined {
    return this.#frames.findLast((frame) => frame.position !== undefined)?.position;
  }

  run<T>(name: string, body: () => T): T {
    return this.#framed({ callee: undefined, name, position: undefined }, body);
  }

  call(callee: Callable, args: CallArguments): Value {
    this.step();
    if (this.#frames.length >= this.#limits.depth) throw new ValueError('too many calls inside of calls');
    return this.#framed({ callee, name: callee.name, position: undefined }, () => callee.call(this, args));
  }

  isRunning(code: (callee: Callable) => boolean): boolean {
    return this.#frames.some((frame) => frame.callee !== undefined && code(frame.callee));
  }

  /** The innermost error keeps its place; each call that it passes adds where it stood. */
  #framed<T>(frame: Frame, body: () => T): T {
    this.#frames.push(frame);
    try {
      return body();
    } catch (error) {
      throw this.#located(error);
    } finally {
      this.#frames.pop();
    }
  }

  #located(error: unknown): unknown {
    if (error instanceof RangeError && !(error instanceof ValueError))
      return this.#located(new ValueError('the program is nested too deeply or makes too large a value'));
    if (!(error instanceof ValueError)) return error;
    const trace: TraceEntry[] = this.#frames.flatMap((frame) =>
      frame.position === undefined ? [] : [{ position: frame.position, function: frame.name }],
    );
    return new StarlarkError(error.message, trace.at(-1)?.position, trace);
  }
}
