import { isRecord } from '../../kube/index.ts';

/** An expression that is no path, or one that this reader does not know. */
export class JqError extends Error {}

type Path = (string | number)[];
type Step = (value: unknown, path: Path) => Iterable<{ value: unknown; path: Path }>;

const TOKEN =
  /\s*(\.\.|\.|\[|\]|\(|\)|\||,|\?|==|!=|<=|>=|<|>|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|[A-Za-z_]\w*)/y;
const MAX_LENGTH = 2000;

/** Removes everything that a path expression of jq leads to. */
export function deletePaths(object: unknown, expression: string): void {
  const paths = [...new Parser(expression).parse()(object, [])].map(({ path }) => path);
  // From the end, so that places in lists stay what they are.
  paths.sort((a, b) => comparePaths(b, a));
  for (const path of paths) {
    const last = path.at(-1);
    let holder: unknown = object;
    for (const part of path.slice(0, -1))
      holder = Array.isArray(holder) ? holder[Number(part)] : isRecord(holder) ? holder[part] : undefined;
    if (Array.isArray(holder)) holder.splice(Number(last), 1);
    else if (isRecord(holder) && last !== undefined) delete holder[last];
  }
}

function comparePaths(a: Path, b: Path): number {
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    if (a[at] === b[at]) continue;
    const [x, y] = [a[at]!, b[at]!];
    return typeof x === 'number' && typeof y === 'number' ? x - y : String(x) < String(y) ? -1 : 1;
  }
  return a.length - b.length;
}

/** The part of jq that names places: fields, indexes, "[]", "?", "..", "|", "," and select with comparisons. */
class Parser {
  readonly #text: string;
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.length > MAX_LENGTH) this.#fail();
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const found = TOKEN.exec(text);
      if (found === null) this.#fail();
      this.#tokens.push(found[1]!);
    }
  }

  parse(): Step {
    const step = this.#pipe();
    if (this.#at < this.#tokens.length) this.#fail();
    return step;
  }

  #pipe(): Step {
    let step = this.#comma();
    while (this.#eat('|')) step = chain(step, this.#comma());
    return step;
  }

  #comma(): Step {
    const steps = [this.#term()];
    while (this.#eat(',')) steps.push(this.#term());
    return function* all(value, path) {
      for (const step of steps) yield* step(value, path);
    };
  }

  #term(): Step {
    let step: Step;
    if (this.#eat('(')) {
      step = this.#pipe();
      this.#need(')');
    } else if (this.#peek() === 'select') step = this.#select();
    else if (this.#eat('..')) step = descend;
    else if (this.#peek() === 'empty') {
      this.#at += 1;
      step = function* nothing() {};
    } else {
      this.#need('.');
      step = here;
      if (this.#isName()) step = field(this.#name());
    }
    for (;;) {
      if (this.#eat('[')) step = chain(step, this.#brackets());
      else if (this.#peek() === '.' && (this.#isName(1) || this.#tokens[this.#at + 1] === '[')) {
        this.#at += 1;
        if (this.#isName()) step = chain(step, field(this.#name()));
      } else if (!this.#eat('?')) return step;
    }
  }

  #brackets(): Step {
    if (this.#eat(']')) return each;
    const token = this.#take();
    const key: unknown = /^["-]|^\d/.test(token) ? JSON.parse(token) : this.#fail();
    this.#need(']');
    return typeof key === 'number' ? index(key) : field(String(key));
  }

  #select(): Step {
    this.#at += 1;
    this.#need('(');
    const test = this.#or();
    this.#need(')');
    return function* chosen(value, path) {
      if (test(value)) yield { value, path };
    };
  }

  #or(): (value: unknown) => boolean {
    let test = this.#and();
    while (this.#eat('or')) {
      const [left, right] = [test, this.#and()];
      test = (value) => left(value) || right(value);
    }
    return test;
  }

  #and(): (value: unknown) => boolean {
    let test = this.#comparison();
    while (this.#eat('and')) {
      const [left, right] = [test, this.#comparison()];
      test = (value) => left(value) && right(value);
    }
    return test;
  }

  #comparison(): (value: unknown) => boolean {
    if (this.#eat('(')) {
      const test = this.#or();
      this.#need(')');
      return test;
    }
    const left = this.#operand();
    const sign = this.#peek();
    const compare = sign === undefined ? undefined : COMPARISONS[sign];
    if (compare === undefined) return (value) => isTruthy(left(value));
    this.#at += 1;
    const right = this.#operand();
    return (value) => compare(left(value), right(value));
  }

  /** A literal, or a path and what is asked of it. */
  #operand(): (value: unknown) => unknown {
    const token = this.#peek() ?? this.#fail();
    if (/^["\d-]/.test(token) || token === 'true' || token === 'false' || token === 'null') {
      this.#at += 1;
      const literal: unknown = JSON.parse(token);
      return () => literal;
    }
    const step = this.#isFunction(token) ? here : this.#term();
    let read = (value: unknown): unknown => [...step(value, [])][0]?.value ?? null;
    while (this.#eat('|') || this.#isFunction(this.#peek() ?? '')) {
      const call = this.#call();
      const before = read;
      read = (value) => call(before(value));
    }
    return read;
  }

  #isFunction(token: string): boolean {
    return Object.hasOwn(FUNCTIONS, token);
  }

  #call(): (value: unknown) => unknown {
    const name = this.#take();
    const work = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name]! : this.#fail();
    if (!this.#eat('(')) return (value) => work(value, undefined);
    const argument = this.#operand();
    this.#need(')');
    return (value) => work(value, argument(value));
  }

  #isName(offset = 0): boolean {
    return /^[A-Za-z_"]/.test(this.#tokens[this.#at + offset] ?? '');
  }

  #name(): string {
    const token = this.#take();
    return token.startsWith('"') ? (JSON.parse(token) as string) : token;
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  #take(): string {
    return this.#tokens[this.#at++] ?? this.#fail();
  }

  #eat(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#at += 1;
    return true;
  }

  #need(token: string): void {
    if (!this.#eat(token)) this.#fail();
  }

  #fail(): never {
    throw new JqError(`${JSON.stringify(this.#text)} is no path expression that is understood here`);
  }
}

const here: Step = function* same(value, path) {
  yield { value, path };
};

const each: Step = function* items(value, path) {
  if (Array.isArray(value))
    for (const [at, item] of value.entries()) yield { value: item, path: [...path, at] };
  else if (isRecord(value))
    for (const key of Object.keys(value)) yield { value: value[key], path: [...path, key] };
};

const descend: Step = function* all(value: unknown, path: Path): Generator<{ value: unknown; path: Path }> {
  yield { value, path };
  for (const inner of each(value, path)) yield* all(inner.value, inner.path);
};

function field(name: string): Step {
  return function* named(value, path) {
    if (isRecord(value) && Object.hasOwn(value, name)) yield { value: value[name], path: [...path, name] };
  };
}

function index(at: number): Step {
  return function* item(value, path) {
    if (!Array.isArray(value)) return;
    const place = at < 0 ? value.length + at : at;
    if (place >= 0 && place < value.length) yield { value: value[place], path: [...path, place] };
  };
}

function chain(first: Step, second: Step): Step {
  return function* both(value, path) {
    for (const found of first(value, path)) yield* second(found.value, found.path);
  };
}

function isTruthy(value: unknown): boolean {
  return value !== null && value !== undefined && value !== false;
}

const COMPARISONS: Readonly<Record<string, (a: unknown, b: unknown) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => (a as number) < (b as number),
  '>': (a, b) => (a as number) > (b as number),
  '<=': (a, b) => (a as number) <= (b as number),
  '>=': (a, b) => (a as number) >= (b as number),
};

const FUNCTIONS: Readonly<Record<string, (value: unknown, argument: unknown) => unknown>> = {
  not: (value) => !isTruthy(value),
  length: (value) =>
    Array.isArray(value) || typeof value === 'string'
      ? value.length
      : isRecord(value)
        ? Object.keys(value).length
        : 0,
  startswith: (value, text) => typeof value === 'string' && value.startsWith(String(text)),
  endswith: (value, text) => typeof value === 'string' && value.endsWith(String(text)),
  contains: (value, part) =>
    Array.isArray(value) ? value.includes(part) : typeof value === 'string' && value.includes(String(part)),
  has: (value, key) => isRecord(value) && Object.hasOwn(value, String(key)),
};
