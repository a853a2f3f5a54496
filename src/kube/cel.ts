import { Environment, type ParseResult } from '@marcbachmann/cel-js';
import { isIP } from 'node:net';
import { isCidr, linearPattern } from './formats.ts';
import { isRecord } from './object.ts';
import { parseQuantity } from './quantity.ts';

/** Comprehensions inside comprehensions take this many steps at most; beyond it the rule is refused. */
const MAX_STEPS = 1_000_000;
const MAX_NODES = 5_000;
const LOOPS = new Set([
  'all',
  'exists',
  'exists_one',
  'existsOne',
  'map',
  'filter',
  'transformList',
  'transformMap',
]);

export class CelError extends Error {}

export interface Program {
  run: (variables: Record<string, unknown>) => unknown;
  /** The expression reads this variable. */
  uses: (variable: string) => boolean;
}

/** Compiles an expression over the given variables. Throws `CelError` with what is wrong with it. */
export function compileCel(source: string, variables: readonly string[]): Program {
  const environment = environmentFor(variables);
  let parsed: ParseResult;
  try {
    parsed = environment.parse(withLinearMatches(source));
    const checked = parsed.check();
    if (!checked.valid) throw checked.error ?? new Error('it does not type-check');
  } catch (error) {
    throw new CelError(firstLine(error));
  }
  const depth = loopDepth(parsed.ast);
  return {
    uses: (variable) => mentions(parsed.ast, variable),
    run: (values) => {
      if (depth > 0) limitSteps(values, depth);
      try {
        return parsed(values);
      } catch (error) {
        throw new CelError(firstLine(error));
      }
    },
  };
}

const environments = new Map<string, Environment>();

function environmentFor(variables: readonly string[]): Environment {
  const key = variables.join(',');
  let environment = environments.get(key);
  if (environment === undefined) {
    environment = new Environment({
      homogeneousAggregateLiterals: false,
      enableOptionalTypes: true,
      limits: { maxAstNodes: MAX_NODES, maxDepth: 100 },
    });
    for (const name of variables) environment.registerVariable(name, 'dyn');
    registerLibrary(environment);
    environments.set(key, environment);
  }
  return environment;
}

/** The functions that Kubernetes adds to the language. */
function registerLibrary(environment: Environment): void {
  const add = (signature: string, handler: (...values: never[]) => unknown): void => {
    environment.registerFunction(signature, handler as (...values: unknown[]) => unknown);
  };
  add('string.linearMatches(string): bool', (text: string, pattern: string) =>
    linearPattern(pattern).matcher(text).find(),
  );
  add('string.find(string): string', (text: string, pattern: string) => find(text, pattern)[0] ?? '');
  add('string.findAll(string): list<string>', (text: string, pattern: string) => find(text, pattern));
  add('string.replace(string, string): string', (text: string, from: string, to: string) =>
    text.replaceAll(from, () => to),
  );
  add('string.charAt(int): string', (text: string, index: bigint) => [...text][Number(index)] ?? '');
  add('string.reverse(): string', (text: string) => [...text].reverse().join(''));
  add('list<dyn>.isSorted(): bool', (list: (bigint | string)[]) =>
    list.every((item, index) => index === 0 || list[index - 1]! <= item),
  );
  add('list<dyn>.sum(): dyn', (list: bigint[]) =>
    list.reduce(
      (sum, item) => (typeof item === 'bigint' ? sum + item : ((Number(sum) + Number(item)) as never)),
      0n,
    ),
  );
  add('list<dyn>.min(): dyn', (list: bigint[]) =>
    list.reduce((least, item) => (item < least ? item : least)),
  );
  add('list<dyn>.max(): dyn', (list: bigint[]) => list.reduce((most, item) => (item > most ? item : most)));
  add('list<dyn>.indexOf(dyn): int', (list: unknown[], value: unknown) => BigInt(list.indexOf(value)));
  add('list<dyn>.lastIndexOf(dyn): int', (list: unknown[], value: unknown) =>
    BigInt(list.lastIndexOf(value)),
  );
  add('isURL(string): bool', (text: string) => URL.canParse(text));
  add('isIP(string): bool', (text: string) => isIP(text) > 0);
  add('isCIDR(string): bool', (text: string) => isCidr(text));
  add('isQuantity(string): bool', (text: string) => parseQuantity(text) !== undefined);
}

function find(text: string, pattern: string): string[] {
  const matcher = linearPattern(pattern).matcher(text);
  const found: string[] = [];
  while (matcher.find() && found.length < 10_000) found.push(matcher.group() ?? '');
  return found;
}

/** The language's own `matches` backtracks: a pattern could hold up the server. Ours takes linear time. */
function withLinearMatches(source: string): string {
  return source.replaceAll(/("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\.matches(\s*\()/g, (all, text, call) =>
    text === undefined ? `.linearMatches${call}` : all,
  );
}

interface Node {
  op?: unknown;
  args?: unknown;
}

function children(node: unknown): unknown[] {
  if (Array.isArray(node)) return node;
  return isRecord(node) && 'op' in node ? [(node as Node).args] : [];
}

function loopDepth(node: unknown): number {
  const inner = Math.max(0, ...children(node).map(loopDepth));
  const { op, args } = (isRecord(node) ? node : {}) as Node;
  return inner + (op === 'rcall' && Array.isArray(args) && LOOPS.has(String(args[0])) ? 1 : 0);
}

function mentions(node: unknown, variable: string): boolean {
  const { op, args } = (isRecord(node) ? node : {}) as Node;
  return (op === 'id' && args === variable) || children(node).some((child) => mentions(child, variable));
}

function limitSteps(values: Record<string, unknown>, depth: number): void {
  const largest = Math.max(...Object.values(values).map(largestList));
  if (largest ** depth > MAX_STEPS)
    throw new CelError(`it would take more than ${MAX_STEPS} steps on a list of ${largest}`);
}

function largestList(value: unknown): number {
  if (Array.isArray(value))
    return value.reduce<number>((most, item) => Math.max(most, largestList(item)), value.length);
  if (value instanceof Map) return Math.max(value.size, ...[...value.values()].map(largestList));
  if (!isRecord(value)) return 0;
  const items = Object.values(value);
  return items.reduce<number>((most, item) => Math.max(most, largestList(item)), items.length);
}

/** What is known of the types of a value. */
export interface CelSchema {
  type?: string | undefined;
  items?: CelSchema | undefined;
  values?: CelSchema | undefined;
  properties?: ReadonlyMap<string, { schema: CelSchema }> | undefined;
}

/** A JSON value as the language sees it: whole numbers are integers unless the schema says otherwise. */
export function celValue(schema: CelSchema | undefined, value: unknown): unknown {
  if (typeof value === 'number')
    return schema?.type === 'number' || !Number.isInteger(value) ? value : BigInt(value);
  if (Array.isArray(value)) return value.map((item) => celValue(schema?.items, item));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      celName(key),
      celValue(schema?.properties?.get(key)?.schema ?? schema?.values, item),
    ]),
  );
}

const RESERVED = new Set([
  'true',
  'false',
  'null',
  'in',
  'as',
  'break',
  'const',
  'continue',
  'else',
  'for',
  'function',
  'if',
  'import',
  'let',
  'loop',
  'package',
  'namespace',
  'return',
  'var',
  'void',
  'while',
]);

/** How a field whose name is no identifier is written in a rule. */
function celName(key: string): string {
  return RESERVED.has(key) ? `__${key}__` : key;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
