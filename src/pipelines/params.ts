import { Replacements } from './substitution.ts';
import type { Param, ParamSpec, ParamValue } from './types.ts';

/** A run that cannot be started, with the reason that Tekton gives. */
export class RunProblem extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.name = 'RunProblem';
    this.reason = reason;
  }
}

/** Checks the given parameters against those that are declared, and fills in defaults. */
export function bindParams(
  specs: readonly ParamSpec[] | undefined,
  given: readonly Param[] | undefined,
  reason: string,
): Map<string, ParamValue> {
  const values = new Map<string, ParamValue>();
  const missing: string[] = [];
  for (const spec of specs ?? []) {
    const param = given?.find((item) => item.name === spec.name);
    const value = mergeObject(spec, param?.value) ?? spec.default;
    if (value === undefined) {
      missing.push(spec.name);
      continue;
    }
    checkType(spec, value, reason);
    values.set(spec.name, value);
  }
  if (missing.length > 0)
    throw new RunProblem(
      reason,
      `missing values for these params which have no default values: [${missing.join(' ')}]`,
    );
  return values;
}

/** What an embedded spec does not declare can be used all the same, where its run gives it. */
export function withUndeclared(
  values: Map<string, ParamValue>,
  given: readonly Param[] | undefined,
  isEmbedded: boolean,
): Map<string, ParamValue> {
  if (!isEmbedded) return values;
  return new Map([...(given ?? []).map(({ name, value }): [string, ParamValue] => [name, value]), ...values]);
}

/** An object takes the keys that it does not name from the default. */
function mergeObject(spec: ParamSpec, value: ParamValue | undefined): ParamValue | undefined {
  const { default: fallback } = spec;
  if (value === undefined || Array.isArray(value) || typeof value === 'string') return value;
  return typeof fallback === 'object' && !Array.isArray(fallback) ? { ...fallback, ...value } : value;
}

function checkType(spec: ParamSpec, value: ParamValue, reason: string): void {
  const wanted = spec.type ?? (spec.properties ? 'object' : typeOf(spec.default ?? ''));
  if (typeOf(value) !== wanted)
    throw new RunProblem(
      reason,
      `invalid input params: param types don't match the user-specified type: [${spec.name}] (${typeOf(value)} given, ${wanted} wanted)`,
    );
  if (wanted === 'object') {
    const keys = Object.keys(spec.properties ?? {}).filter(
      (key) => (value as Record<string, string>)[key] === undefined,
    );
    if (keys.length > 0)
      throw new RunProblem(
        reason,
        `missing keys for these params which are required in ParamSpec's properties: ${spec.name} [${keys.join(' ')}]`,
      );
  }
  if (spec.enum !== undefined && typeof value === 'string' && !spec.enum.includes(value))
    throw new RunProblem(
      'InvalidParamValue',
      `param \`${spec.name}\` value: ${value} is not in the enum list`,
    );
}

export function typeOf(value: ParamValue): 'string' | 'array' | 'object' {
  return Array.isArray(value) ? 'array' : typeof value === 'string' ? 'string' : 'object';
}

export function paramReplacements(
  values: ReadonlyMap<string, ParamValue>,
  into = new Replacements(),
): Replacements {
  for (const [name, value] of values) into.set(`params.${name}`, value);
  return into;
}
