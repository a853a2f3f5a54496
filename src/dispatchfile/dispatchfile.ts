import { CueEvaluator } from './cue/evaluate.ts';
import { languageOf } from './language.ts';
import { type ModuleSource, NO_MODULES } from './modules.ts';
import { normalize, type Normalized } from './normalize.ts';
import { DispatchfileError } from './problem.ts';
import { evaluateStarlark } from './starlark-pipeline/evaluate.ts';
import { parseJson, parseYaml } from './yaml-file.ts';

export interface RenderOptions {
  /** How errors name the file. */
  file: string;
  modules?: ModuleSource;
  print?: (text: string) => void;
}

const MAX_BYTES = 4 * 1024 * 1024;

/** Turns Dispatchfiles of every language into pipelines. Keeps what makes the next one quick. */
export class DispatchfileRenderer implements AsyncDisposable {
  readonly #cue = new CueEvaluator();

  /** Throws a `DispatchfileError` with every problem that was found. */
  async render(text: string, options: RenderOptions): Promise<Normalized> {
    const { file } = options;
    const { value, placeOf } = await this.#evaluate(text.replace(/^\uFEFF/, ''), options);
    return normalize(value, (path) => placeOf(path) ?? { file, line: 1, column: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cue[Symbol.asyncDispose]();
  }

  #evaluate(
    text: string,
    { file, modules = NO_MODULES, print = () => {} }: RenderOptions,
  ): ReturnType<CueEvaluator['evaluate']> {
    if (text.length > MAX_BYTES)
      throw new DispatchfileError([
        {
          message: `the file is larger than ${MAX_BYTES / 1024 / 1024} MiB`,
          place: { file, line: 1, column: 1 },
        },
      ]);
    switch (languageOf(text, file)) {
      case 'cue':
        return this.#cue.evaluate(text, file);
      case 'starlark':
        return evaluateStarlark(text, { file, modules, print });
      case 'yaml':
        return Promise.resolve(parseYaml(text, file));
      case 'json':
        return Promise.resolve(parseJson(text, file));
    }
  }
}
