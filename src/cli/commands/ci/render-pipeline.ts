import { readFile } from 'node:fs/promises';
import {
  DispatchfileError,
  DispatchfileRenderer,
  formatProblem,
  type ModuleSource,
  type Normalized,
} from '../../../dispatchfile/index.ts';
import { UserError } from '../../../server/index.ts';

/** Renders a file, and says in one message everything that is wrong with it. */
export async function renderFile(
  path: string,
  shown: string,
  options: { modules?: ModuleSource; print: (text: string) => void },
): Promise<Normalized> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${shown} cannot be read (${error.code}): name the file with --file.`, {
      cause: error,
    });
  });
  await using renderer = new DispatchfileRenderer();
  try {
    return await renderer.render(text, { file: shown, ...options });
  } catch (error) {
    if (!(error instanceof DispatchfileError)) throw error;
    throw new UserError(
      `${shown} is no pipeline:\n${error.problems.map((problem) => `  ${formatProblem(problem)}`).join('\n')}`,
      { cause: error },
    );
  }
}
