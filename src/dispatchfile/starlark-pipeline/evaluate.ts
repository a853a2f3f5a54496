import type { ModuleSource, ModuleText } from '../modules.ts';
import { DispatchfileError, type PlaceOf } from '../problem.ts';
import {
  type Limits,
  loadsOf,
  runProgram,
  StarlarkError,
  StarlarkFunction,
  Thread,
  type Value,
} from '../starlark/index.ts';
import { PipelineBuilder, predeclared } from './predeclared.ts';

export interface StarlarkOptions {
  file: string;
  modules: ModuleSource;
  print: (text: string) => void;
  limits?: Partial<Limits>;
}

const MAX_MODULES = 200;

/** Runs a Dispatchfile in Starlark: its libraries are fetched first, then everything runs in one go. */
export async function evaluateStarlark(
  text: string,
  options: StarlarkOptions,
): Promise<{ value: unknown; placeOf: PlaceOf }> {
  const pipeline = new PipelineBuilder();
  await runStarlark(text, options, pipeline);
  return { value: pipeline.toJson(), placeOf: pipeline.placeOf };
}

/** The globals of a file, its libraries loaded. */
export async function runStarlark(
  text: string,
  options: StarlarkOptions,
  pipeline = new PipelineBuilder(),
): Promise<ReadonlyMap<string, Value>> {
  const { file, print, limits } = options;
  try {
    const root: ModuleText = { id: '', file, text };
    const texts = await fetchAll(root, options.modules);
    const thread = new Thread({ print, ...(limits && { limits }) });
    const names = predeclared(pipeline);
    const done = new Map<string, ReadonlyMap<string, Value>>();
    const run = (module: ModuleText): ReadonlyMap<string, Value> => {
      const known = done.get(module.id);
      if (known !== undefined) return known;
      const globals = runProgram(module.text, {
        file: module.file,
        predeclared: names,
        thread,
        load: (name) => run(texts.get(`${module.id}\u0000${name}`)!),
      });
      done.set(module.id, globals);
      return globals;
    };
    const globals = run(root);
    runTests(globals, thread);
    return globals;
  } catch (error) {
    if (!(error instanceof StarlarkError)) throw error;
    const trace = error.trace.length > 1 ? `\n${error.backtrace.split('\n').slice(0, -1).join('\n')}` : '';
    throw new DispatchfileError([{ message: `${error.message}${trace}`, place: error.position }], {
      cause: error,
    });
  }
}

/** Functions named test_* say what must hold: one that fails makes the whole file wrong. */
function runTests(globals: ReadonlyMap<string, Value>, thread: Thread): void {
  for (const [name, value] of globals)
    if (name.startsWith('test_') && value instanceof StarlarkFunction)
      thread.run('<test>', () => thread.call(value, { positional: [], named: new Map() }));
}

/** Every module that is reached, by the module that loads it and the name it uses. */
async function fetchAll(root: ModuleText, modules: ModuleSource): Promise<Map<string, ModuleText>> {
  const found = new Map<string, ModuleText>();
  const loading: string[] = [];
  const visited = new Set<string>();
  const visit = async (module: ModuleText): Promise<void> => {
    if (visited.has(module.id)) return;
    loading.push(module.id);
    for (const { module: name, position } of loadsOf(module.text, module.file)) {
      let target: ModuleText;
      try {
        target = await modules.fetch(name, module);
      } catch (error) {
        throw new StarlarkError(`cannot load ${name}: ${(error as Error).message}`, position);
      }
      if (loading.includes(target.id))
        throw new StarlarkError(`cycle in load graph: ${name} loads itself in the end`, position);
      if (visited.size > MAX_MODULES)
        throw new StarlarkError(`more than ${MAX_MODULES} modules are loaded`, position);
      found.set(`${module.id}\u0000${name}`, target);
      await visit(target);
    }
    loading.pop();
    visited.add(module.id);
  };
  await visit(root);
  return found;
}
