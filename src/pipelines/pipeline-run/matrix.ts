import { RunProblem } from '../params.ts';
import type { Matrix, Param, ParamValue } from '../types.ts';

const MAX_COMBINATIONS = 256;

/** The parameters of each run of a task that is fanned out, in order. */
export function combinationsOf(matrix: Matrix): Param[][] {
  let combinations: Map<string, ParamValue>[] = [new Map()];
  for (const { name, value } of matrix.params ?? []) {
    if (!Array.isArray(value))
      throw new RunProblem(
        'PipelineValidationFailed',
        `the matrix parameter ${JSON.stringify(name)} must be a list`,
      );
    combinations = combinations.flatMap((known) => value.map((item) => new Map([...known, [name, item]])));
    if (combinations.length > MAX_COMBINATIONS)
      throw new RunProblem(
        'PipelineValidationFailed',
        `expected 0 <= ${combinations.length} <= ${MAX_COMBINATIONS}: the matrix makes too many runs`,
      );
  }
  const varied = new Set((matrix.params ?? []).map((param) => param.name));
  if (varied.size === 0 && (matrix.include ?? []).length > 0) combinations = [];
  for (const { params = [] } of matrix.include ?? []) {
    const fixed = params.filter((param) => varied.has(param.name));
    const matching = combinations.filter((known) =>
      fixed.length > 0 || varied.size > 0
        ? fixed.every((param) => known.get(param.name) === param.value)
        : false,
    );
    if (fixed.length === 0 && varied.size > 0)
      for (const known of combinations) for (const { name, value } of params) known.set(name, value);
    else if (matching.length > 0)
      for (const known of matching) for (const { name, value } of params) known.set(name, value);
    else combinations.push(new Map(params.map(({ name, value }) => [name, value])));
  }
  return combinations.map((known) => Array.from(known, ([name, value]) => ({ name, value })));
}
