import { checkShape, isObject } from './check.ts';
import type { Action, Condition, GitCondition, Pipeline, Resource, Step, Task } from './pipeline.ts';
import { type PlaceOf, type Problem, DispatchfileError } from './problem.ts';
import { checkRules } from './rules.ts';

export interface Normalized {
  pipeline: Pipeline;
  /** Fields that nobody knows: no errors, since later versions may know them. */
  unknown: Problem[];
  placeOf: PlaceOf;
}

/** Turns what a file says into one form. Throws every problem at once. */
export function normalize(value: unknown, placeOf: PlaceOf): Normalized {
  const { problems, unknown } = checkShape(value ?? {}, placeOf);
  if (problems.length > 0) throw new DispatchfileError(problems);
  const pipeline = toPipeline((value ?? {}) as Fields);
  const broken = checkRules(pipeline, value as Fields, placeOf);
  if (broken.length > 0) throw new DispatchfileError(broken);
  return { pipeline, unknown, placeOf };
}

type Fields = Record<string, unknown>;

function toPipeline(value: Fields): Pipeline {
  return {
    resource: mapValues(value['resource'], toResource),
    task: mapValues(value['task'], toTask),
    actions: listOf(value['actions']).map(toAction),
  };
}

function toResource(value: Fields): Resource {
  return {
    type: value['type'] as Resource['type'],
    params: { ...(value['param'] as Record<string, string>), ...(value['params'] as Record<string, string>) },
    ...pick(value, ['secrets']),
  };
}

function toTask(value: Fields): Task {
  return {
    inputs: (value['inputs'] as string[] | null) ?? [],
    outputs: (value['outputs'] as string[] | null) ?? [],
    deps: (value['deps'] as string[] | null) ?? [],
    steps: listOf(value['steps']).map(toStep),
    ...(listOf(value['sidecars']).length > 0 && { sidecars: listOf(value['sidecars']).map(toStep) }),
    ...pick(value, ['volumes', 'timeout', 'retries', 'when', 'matrix', 'cache', 'metadata']),
  } as Task;
}

function toStep(value: Fields, at: number): Step {
  return { ...present(value), name: (value['name'] as string | undefined) || `step-${at}` } as Step;
}

function toAction(value: Fields): Action {
  return {
    ...pick(value, ['name']),
    tasks: (value['tasks'] as string[] | null) ?? [],
    on: toCondition((value['on'] ?? {}) as Fields),
  } as Action;
}

const FLAT = ['push', 'tag', 'pull_request', 'release'] as const;

/** The flat form of older files becomes the nested one. */
function toCondition(value: Fields): Condition {
  if (isObject(value['cron'])) {
    const cron = value['cron'];
    const git = isObject(cron['git']) ? cron['git'] : {};
    const revision = git['revision'] ?? cron['revision'];
    return {
      cron: {
        schedule: (cron['schedule'] ?? git['schedule'] ?? '') as string,
        git: typeof revision === 'string' && revision !== '' ? { revision } : {},
      },
    };
  }
  if (isObject(value['image'])) return { image: { push: present((value['image']['push'] ?? {}) as Fields) } };
  const git = isObject(value['git']) ? value['git'] : value;
  const found: Fields = {};
  for (const name of FLAT)
    if (git[name] !== undefined && git[name] !== null) found[name] = present(git[name] as Fields);
  const request = found['pull_request'] as Fields | undefined;
  if (request?.['branches'] !== undefined) {
    const { branches, targets, ...rest } = request;
    found['pull_request'] = {
      ...rest,
      targets: [...((targets as string[] | undefined) ?? []), ...(branches as string[])],
    };
  }
  return { git: found as GitCondition };
}

function pick(value: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(
    names
      .filter((name) => value[name] !== undefined && value[name] !== null)
      .map((name) => [name, value[name]]),
  );
}

function present(value: Fields): Fields {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined && item !== null));
}

function mapValues<T>(value: unknown, to: (item: Fields) => T): Record<string, T> {
  return Object.fromEntries(
    Object.entries((value ?? {}) as Fields).map(([key, item]) => [key, to((item ?? {}) as Fields)]),
  );
}

function listOf(value: unknown): Fields[] {
  return (value ?? []) as Fields[];
}
