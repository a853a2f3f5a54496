import { isRecord } from '../../kube/index.ts';

/** The part of JSONPath that printer columns and scale paths use. */
type Step =
  | { kind: 'key'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'all' }
  | { kind: 'filter'; path: Step[]; operator: string; value: unknown };

const MAX_PATH = 1000;

export type JsonPath = (value: unknown) => unknown[];

/** Compiles a path; throws with what is wrong with it. */
export function compileJsonPath(source: string): JsonPath {
  if (source.length > MAX_PATH) throw new Error(`the path is longer than ${MAX_PATH} characters`);
  const text = source.startsWith('{') && source.endsWith('}') ? source.slice(1, -1) : source;
  const steps = parseSteps(text.replace(/^\$/, ''));
  return (value) => evaluate(steps, [value]);
}

function parseSteps(text: string): Step[] {
  const steps: Step[] = [];
  let rest = text;
  while (rest !== '') {
    const key = /^\.?((?:[^.[\]\\]|\\.)+)/.exec(rest);
    if (rest.startsWith('.*')) {
      steps.push({ kind: 'all' });
      rest = rest.slice(2);
    } else if (rest.startsWith('[')) {
      const end = closing(rest);
      steps.push(parseBracket(rest.slice(1, end)));
      rest = rest.slice(end + 1);
    } else if (key !== null) {
      steps.push({ kind: 'key', name: key[1]!.replaceAll(/\\(.)/g, '$1') });
      rest = rest.slice(key[0].length);
    } else if (rest === '.') {
      rest = '';
    } else {
      throw new Error(`unrecognized character at ${JSON.stringify(rest.slice(0, 20))}`);
    }
  }
  return steps;
}

function closing(text: string): number {
  let depth = 0;
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const char = text[index]!;
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '[' || char === '(') depth += 1;
    else if (char === ']' || char === ')') {
      depth -= 1;
      if (depth === 0) return index;
    }
  }
  throw new Error('unterminated bracket');
}

function parseBracket(inside: string): Step {
  const text = inside.trim();
  if (text === '*') return { kind: 'all' };
  if (/^-?\d+$/.test(text)) return { kind: 'index', index: Number(text) };
  const quoted = /^(['"])(.*)\1$/.exec(text);
  if (quoted !== null) return { kind: 'key', name: quoted[2]! };
  const filter = /^\?\(\s*@(.*?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\)$/.exec(text);
  if (filter !== null)
    return { kind: 'filter', path: parseSteps(filter[1]!), operator: filter[2]!, value: literal(filter[3]!) };
  throw new Error(`unsupported expression [${text}]`);
}

function literal(text: string): unknown {
  const quoted = /^(['"])(.*)\1$/.exec(text);
  if (quoted !== null) return quoted[2];
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function evaluate(steps: readonly Step[], start: unknown[]): unknown[] {
  return steps.reduce((values, step) => values.flatMap((value) => advance(step, value)), start);
}

function advance(step: Step, value: unknown): unknown[] {
  switch (step.kind) {
    case 'key':
      return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'index': {
      const item = Array.isArray(value) ? value.at(step.index) : undefined;
      return item === undefined ? [] : [item];
    }
    case 'all':
      return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
    case 'filter':
      return (Array.isArray(value) ? value : []).filter((item) =>
        evaluate(step.path, [item]).some((found) => compare(found, step.operator, step.value)),
      );
  }
}

function compare(left: unknown, operator: string, right: unknown): boolean {
  if (operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  const [a, b] = [Number(left), Number(right)];
  return operator === '<' ? a < b : operator === '>' ? a > b : operator === '<=' ? a <= b : a >= b;
}
