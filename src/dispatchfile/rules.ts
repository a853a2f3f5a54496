import { Cron } from 'croner';
import { isObject } from './check.ts';
import { needsOf } from './graph.ts';
import { nearest } from './nearest.ts';
import { type Pipeline, RESOURCE_TYPES, type Task } from './pipeline.ts';
import { formatPath, type Path, type PlaceOf, type Problem } from './problem.ts';
import { fieldsOf } from './schema.ts';

const NAME = /^[a-z0-9A-Z]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$/;
const DURATION = /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/;
const GIT_CONDITIONS = {
  push: 'GitPushCondition',
  tag: 'GitTagCondition',
  pull_request: 'GitPullRequestCondition',
  release: 'GitReleaseCondition',
} as const;
const CONDITIONS = ['git', 'cron', 'image', 'push', 'tag', 'pull_request', 'release'];
const MAX_MATRIX = 256;

/** Rules that no type tells: names that must exist, one writer for each resource, no circles. */
export function checkRules(pipeline: Pipeline, source: Record<string, unknown>, placeOf: PlaceOf): Problem[] {
  const problems: Problem[] = [];
  const say = (path: Path, message: string): void => {
    problems.push({ message: `${formatPath(path)} ${message}`, place: placeOf(path) });
  };
  resources(pipeline, say);
  tasks(pipeline, say);
  actions(pipeline, source, say);
  if (problems.length === 0) circles(pipeline, say);
  return problems;
}

type Say = (path: Path, message: string) => void;

function resources(pipeline: Pipeline, say: Say): void {
  for (const [name, resource] of Object.entries(pipeline.resource)) {
    const path = ['resource', name];
    if (!NAME.test(name))
      say(path, 'has a name with other characters than letters, digits, "-", "_" and "."');
    if (!(RESOURCE_TYPES as readonly string[]).includes(resource.type))
      say([...path, 'type'], `must be one of ${RESOURCE_TYPES.join(', ')}`);
    if ((resource.type === 'git' || resource.type === 'image') && !resource.params['url'])
      say(path, 'needs the parameter url');
    if (
      resource.type === 'storage' &&
      resource.params['type'] !== undefined &&
      resource.params['type'] !== 'gcs'
    )
      say([...path, 'params', 'type'], 'must be gcs');
  }
}

function tasks(pipeline: Pipeline, say: Say): void {
  const writers = new Map<string, string>();
  for (const [name, task] of Object.entries(pipeline.task)) {
    const path = ['task', name];
    if (!NAME.test(name))
      say(path, 'has a name with other characters than letters, digits, "-", "_" and "."');
    for (const [at, input] of task.inputs.entries())
      if (!Object.hasOwn(pipeline.resource, input) && !Object.hasOwn(pipeline.task, input))
        say(
          [...path, 'inputs', at],
          unknownName(input, 'resource or task', [
            ...Object.keys(pipeline.resource),
            ...Object.keys(pipeline.task),
          ]),
        );
    for (const [at, output] of task.outputs.entries()) {
      if (!Object.hasOwn(pipeline.resource, output))
        say([...path, 'outputs', at], unknownName(output, 'resource', Object.keys(pipeline.resource)));
      const writer = writers.get(output);
      if (writer !== undefined && writer !== name)
        say(
          [...path, 'outputs', at],
          `names ${output}, which task ${writer} writes already: a resource is the output of one task at most`,
        );
      writers.set(output, name);
    }
    for (const [at, dependency] of task.deps.entries())
      if (!Object.hasOwn(pipeline.task, dependency))
        say([...path, 'deps', at], unknownName(dependency, 'task', Object.keys(pipeline.task)));
    details(name, task, say);
  }
}

function details(name: string, task: Task, say: Say): void {
  const path = ['task', name];
  if (task.timeout !== undefined && !DURATION.test(task.timeout))
    say([...path, 'timeout'], 'must be a duration such as 1h30m');
  if (task.retries !== undefined && (task.retries < 0 || task.retries > 20))
    say([...path, 'retries'], 'must be from 0 to 20');
  const names = new Set<string>();
  for (const [at, step] of task.steps.entries()) {
    if (names.has(step.name))
      say(
        [...path, 'steps', at, 'name'],
        `is ${step.name}, which another step of the task is called already`,
      );
    names.add(step.name);
    if (step.script !== undefined && step.command !== undefined)
      say([...path, 'steps', at], 'has both a script and a command: keep one');
  }
  const combinations = Object.values(task.matrix ?? {}).reduce((count, values) => count * values.length, 1);
  if (combinations > MAX_MATRIX)
    say([...path, 'matrix'], `makes ${combinations} tasks, more than ${MAX_MATRIX}`);
}

function actions(pipeline: Pipeline, source: Record<string, unknown>, say: Say): void {
  const written = Array.isArray(source['actions']) ? (source['actions'] as unknown[]) : [];
  for (const [at, action] of pipeline.actions.entries()) {
    const path = ['actions', at];
    for (const [index, task] of action.tasks.entries())
      if (!Object.hasOwn(pipeline.task, task))
        say([...path, 'tasks', index], unknownName(task, 'task', Object.keys(pipeline.task)));
    const on = isObject(written[at]) && isObject(written[at]['on']) ? written[at]['on'] : {};
    const given = CONDITIONS.filter((name) => on[name] !== undefined && on[name] !== null);
    const inner = isObject(on['git'])
      ? Object.keys(on['git']).filter((name) => isObject((on['git'] as Record<string, unknown>)[name]))
      : ['one'];
    if (given.length !== 1)
      say(
        [...path, 'on'],
        given.length === 0
          ? `must name one of ${CONDITIONS.slice(0, 3).join(', ')}`
          : `names ${given.join(' and ')}, but must name exactly one`,
      );
    else if (inner.length !== 1)
      say([...path, 'on', 'git'], 'must name exactly one of push, tag, pull_request, release');
    for (const [place, holder] of [
      [[], on],
      [['git'], isObject(on['git']) ? on['git'] : {}],
    ] as const)
      unknownLimits(holder, (below, message) => say([...path, 'on', ...place, ...below], message));
    if ('cron' in action.on) {
      if (!action.name) say(path, 'needs a name, because it runs by the clock');
      const wrong = cronProblem(action.on.cron.schedule);
      if (wrong !== undefined) say([...path, 'on', 'cron', 'schedule'], wrong);
    }
  }
}

/** A limit that is not understood is none: the condition would fit everything. */
function unknownLimits(on: Record<string, unknown>, say: Say): void {
  for (const [kind, type] of Object.entries(GIT_CONDITIONS)) {
    const limits = on[kind];
    const known = Object.keys(fieldsOf(type));
    for (const name of isObject(limits) ? Object.keys(limits) : [])
      if (!known.includes(name)) say([kind, name], `is not known: a condition has ${known.join(', ')}`);
  }
}

function cronProblem(schedule: string): string | undefined {
  if (schedule === '') return 'must be given, for example "0 4 * * *"';
  try {
    new Cron(schedule, { paused: true });
    return undefined;
  } catch (error) {
    return `is no schedule: ${(error as Error).message}`;
  }
}

function circles(pipeline: Pipeline, say: Say): void {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): void => {
    if (done.has(name)) return;
    const at = path.indexOf(name);
    if (at >= 0) {
      say(['task', name], `depends on itself: ${[...path.slice(at), name].join(' → ')}`);
      return;
    }
    path.push(name);
    for (const need of needsOf(pipeline, name)) visit(need);
    path.pop();
    done.add(name);
  };
  for (const name of Object.keys(pipeline.task)) visit(name);
}

function unknownName(name: string, what: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return `names ${name}, but there is no ${what} of that name${meant === undefined ? '' : `: did you mean ${meant}?`}`;
}
