import { UNIVERSAL } from './builtins.ts';
import { compileProgram } from './compile.ts';
import type { Cell, ModuleState } from './function.ts';
import { parseProgram } from './parser.ts';
import { StarlarkError } from './position.ts';
import type { Thread } from './thread.ts';
import { freeze, type Value } from './values.ts';

export interface ProgramOptions {
  file: string;
  predeclared: ReadonlyMap<string, Value>;
  thread: Thread;
  /** The globals of a module, loaded before. */
  load: (module: string) => ReadonlyMap<string, Value>;
}

/** Modules that a program loads, in order. */
export function loadsOf(
  text: string,
  file: string,
): { module: string; position: { file: string; line: number; column: number } }[] {
  return parseProgram(text, file).flatMap((item) =>
    item.kind === 'load' ? [{ module: item.module, position: item.position }] : [],
  );
}

/** Runs a file. Its globals are what others may load, and cannot change any more. */
export function runProgram(text: string, options: ProgramOptions): Map<string, Value> {
  const { file, predeclared, thread } = options;
  const loaded = new Map<string, Value>();
  const program = compileProgram(parseProgram(text, file), { predeclared, universal: UNIVERSAL, loaded });
  for (const load of program.loads) {
    const module = options.load(load.module);
    for (const { local, remote, position } of load.names) {
      const value = module.get(remote);
      if (value === undefined)
        throw new StarlarkError(`load: name ${remote} not found in module ${load.module}`, position);
      loaded.set(local, value);
    }
  }
  const module: ModuleState = { globals: new Map() };
  const locals: (Value | Cell | undefined)[] = program.cells.map((isCell) =>
    isCell ? { value: undefined } : undefined,
  );
  thread.run('<toplevel>', () => program.run({ locals, free: [], thread, module }));
  for (const value of module.globals.values()) freeze(value);
  return module.globals;
}
