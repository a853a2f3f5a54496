import { expandVariables } from './dockerfile/expand.ts';
import { type Dockerfile, DockerfileError, type Instruction } from './dockerfile/parse.ts';

export interface StagePlan {
  index: number;
  name: string | undefined;
  base: string;
  /** The stage that it begins with, when the base is one. */
  from: number | undefined;
  platform: string | undefined;
  instructions: Instruction[];
  line: number;
}

export interface Plan {
  stages: StagePlan[];
  /** What ARG before the first FROM has set. */
  globals: Record<string, string>;
  /** The stages that the target needs, in order. */
  needed: number[];
  target: number;
}

/** Which stages there are, and which of them a build needs. */
export function planBuild(
  file: Dockerfile,
  options: {
    target: string | undefined;
    buildArgs: Record<string, string>;
    predefined: Record<string, string>;
  },
): Plan {
  const globals: Record<string, string> = { ...options.predefined };
  const stages: StagePlan[] = [];
  for (const instruction of file.instructions) {
    if (instruction.name === 'FROM') stages.push(stageOf(instruction, stages, globals, file.escape));
    else if (stages.length > 0) stages.at(-1)!.instructions.push(instruction);
    else if (instruction.name === 'ARG') readGlobal(instruction, globals, options.buildArgs, file.escape);
    else throw new DockerfileError(instruction.line, `${instruction.name} comes before the first FROM`);
  }
  if (stages.length === 0) throw new DockerfileError(1, 'there is no FROM');
  const target = targetOf(stages, options.target);
  const needed = new Set<number>();
  const need = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    const stage = stages[index]!;
    if (stage.from !== undefined) need(stage.from);
    for (const reference of references(stage)) {
      const other = findStage(stages, reference, index);
      if (other !== undefined) need(other);
    }
  };
  need(target);
  return { stages, globals, needed: [...needed].sort((a, b) => a - b), target };
}

export function findStage(
  stages: readonly StagePlan[],
  reference: string,
  before: number,
): number | undefined {
  const named = stages.find((stage) => stage.index < before && stage.name === reference.toLowerCase());
  if (named !== undefined) return named.index;
  return /^\d+$/.test(reference) && Number(reference) < before ? Number(reference) : undefined;
}

function stageOf(
  instruction: Instruction,
  stages: readonly StagePlan[],
  globals: Record<string, string>,
  escaper: string,
): StagePlan {
  const words = expandVariables(instruction.text, globals, escaper).split(/\s+/);
  const [base = '', as, name, ...more] = words;
  const isNamed = as?.toUpperCase() === 'AS' && name !== undefined && more.length === 0;
  if (base === '' || (words.length > 1 && !isNamed))
    throw new DockerfileError(instruction.line, 'FROM takes an image, and perhaps "AS" and a name');
  const platform = instruction.flags.find((flag) => flag.name === 'platform')?.value;
  return {
    index: stages.length,
    name: name?.toLowerCase(),
    base,
    from: findStage(stages, base, stages.length),
    platform: platform === undefined ? undefined : expandVariables(platform, globals, escaper),
    instructions: [],
    line: instruction.line,
  };
}

function readGlobal(
  instruction: Instruction,
  globals: Record<string, string>,
  buildArgs: Record<string, string>,
  escaper: string,
): void {
  for (const word of instruction.text.split(/\s+/)) {
    const at = word.indexOf('=');
    const name = at < 0 ? word : word.slice(0, at);
    const given = Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
    const value =
      given ??
      (at < 0
        ? globals[name]
        : expandVariables(word.slice(at + 1).replace(/^(["'])(.*)\1$/, '$2'), globals, escaper));
    if (value !== undefined) globals[name] = value;
  }
}

function targetOf(stages: readonly StagePlan[], target: string | undefined): number {
  if (target === undefined || target === '') return stages.length - 1;
  const found = findStage(stages, target, stages.length);
  if (found === undefined) throw new DockerfileError(1, `there is no stage named ${JSON.stringify(target)}`);
  return found;
}

function references(stage: StagePlan): string[] {
  return stage.instructions.flatMap(({ flags }) =>
    flags.flatMap(({ name, value }) => {
      if (name === 'from') return [value];
      const from = name === 'mount' ? /(?:^|,)from=([^,]+)/.exec(value)?.[1] : undefined;
      return from === undefined ? [] : [from];
    }),
  );
}
