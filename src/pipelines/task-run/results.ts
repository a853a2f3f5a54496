import type { PodFiles } from '../context.ts';
import type { Result, ResultSpec, TaskSpec } from '../types.ts';
import { RESULTS_PATH, RESULTS_VOLUME, stepNames, STEPS_PATH, STEPS_VOLUME } from './pod.ts';

const MAX_RESULT_BYTES = 16 * 1024 * 1024;

export interface ResultSources {
  files: PodFiles;
  podUid: string;
  /** What a step has printed. */
  output: (step: string) => Promise<string>;
}

export interface CollectedResults {
  results: Result[];
  /** Results of steps, by the name of the step. */
  steps: Map<string, Result[]>;
  problem: string | undefined;
}

/** What the steps of a pod that has ended have left as results. */
export async function collectResults(spec: TaskSpec, sources: ResultSources): Promise<CollectedResults> {
  const printed = printedTo(spec);
  const steps = new Map<string, Result[]>();
  const names = stepNames(spec);
  for (const [at, step] of (spec.steps ?? []).entries()) {
    const name = names[at]!;
    const found: Result[] = [];
    for (const result of step.results ?? []) {
      const bytes = await sources.files.read(
        sources.podUid,
        STEPS_VOLUME,
        `${name}/results/${result.name}`,
        MAX_RESULT_BYTES,
      );
      if (bytes !== undefined) found.push(parse(result, bytes.toString()).result);
    }
    if (found.length > 0) steps.set(name, found);
  }
  const results: Result[] = [];
  let problem: string | undefined;
  for (const result of spec.results ?? []) {
    const text = await textOf(result, { sources, printed, steps });
    if (text === undefined) continue;
    const parsed = parse(result, text);
    problem ??= parsed.problem;
    if (parsed.problem === undefined) results.push(parsed.result);
  }
  return { results, steps, problem };
}

/** Which step's output goes to which file. */
function printedTo(spec: TaskSpec): Map<string, string> {
  const names = stepNames(spec);
  return new Map(
    (spec.steps ?? []).flatMap((step, at): [string, string][] =>
      step.stdoutConfig === undefined ? [] : [[step.stdoutConfig.path, names[at]!]],
    ),
  );
}

async function textOf(
  result: ResultSpec,
  from: {
    sources: ResultSources;
    printed: ReadonlyMap<string, string>;
    steps: ReadonlyMap<string, Result[]>;
  },
): Promise<string | undefined> {
  const { sources, printed, steps } = from;
  const taken = /^\$\(steps\.([^.]+)\.results\.([^)]+)\)$/.exec(result.value ?? '');
  if (taken !== null) {
    const value = steps.get(taken[1]!)?.find((item) => item.name === taken[2])?.value;
    return value === undefined || typeof value === 'string' ? value : JSON.stringify(value);
  }
  const step = printed.get(`${RESULTS_PATH}/${result.name}`);
  if (step !== undefined) return sources.output(step);
  return (
    await sources.files.read(sources.podUid, RESULTS_VOLUME, result.name, MAX_RESULT_BYTES)
  )?.toString();
}

function parse(spec: ResultSpec, text: string): { result: Result; problem: string | undefined } {
  const type = spec.type ?? (spec.properties === undefined ? 'string' : 'object');
  if (type === 'string') return { result: { name: spec.name, type, value: text }, problem: undefined };
  try {
    const value = JSON.parse(text) as unknown;
    const fits =
      type === 'array'
        ? Array.isArray(value)
        : typeof value === 'object' && value !== null && !Array.isArray(value);
    if (fits) return { result: { name: spec.name, type, value: value as string[] }, problem: undefined };
  } catch {
    // Told below: it has another type than the one that was declared.
  }
  return {
    result: { name: spec.name, type: 'string', value: text },
    problem: `Provided results don't match declared results; may be invalid JSON or missing result declaration: "${spec.name}": task result is expected to be "${type}" type but was initialized to a different type "string"`,
  };
}

/** Where steps write their results. */
export function resultPath(name: string): string {
  return `${RESULTS_PATH}/${name}`;
}

export function stepResultPath(step: string, name: string): string {
  return `${STEPS_PATH}/${step}/results/${name}`;
}
