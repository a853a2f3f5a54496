import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { compileRun } from '../../../ci/index.ts';
import { formatProblem, generateDocument, lint, NO_MODULES } from '../../../dispatchfile/index.ts';
import { STEP_IMAGES, UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { renderFile } from './render-pipeline.ts';

interface RenderFlags {
  file: string;
  tekton?: boolean;
}

export function registerRender(ci: Command, environment: Environment): void {
  const print = (text: string): void => void environment.stderr.write(`${text}\n`);
  ci.command('render')
    .description('Show the pipeline that a Dispatchfile describes.')
    .option('-f, --file <file>', 'the Dispatchfile', 'Dispatchfile')
    .option('--tekton', 'show the objects that it is run by')
    .addHelpText('after', examples('dispatch ci render', 'dispatch ci render -f ci/Dispatchfile --tekton'))
    .action(async ({ file, tekton }: RenderFlags, command: Command) => {
      const { pipeline } = await renderFile(resolve(environment.cwd, file), file, { print });
      const shown = tekton ? tektonRun(pipeline) : pipeline;
      if (globalFlags(command).output === 'json')
        environment.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
      else
        environment.stdout.write(
          `${tekton ? '' : '#!yaml\n'}${stringify(shown, { aliasDuplicateObjects: false })}`,
        );
    });
  ci.command('lint')
    .description('Tell what in a Dispatchfile is wrong, or most likely not meant.')
    .option('-f, --file <file>', 'the Dispatchfile', 'Dispatchfile')
    .addHelpText('after', examples('dispatch ci lint', 'dispatch ci lint -f ci/Dispatchfile'))
    .action(async ({ file }: RenderFlags) => {
      const found = lint(await renderFile(resolve(environment.cwd, file), file, { print }));
      for (const problem of found) environment.stdout.write(`${formatProblem(problem)}\n`);
      if (found.length > 0)
        throw new UserError(
          `${file} has ${found.length === 1 ? 'one problem' : `${found.length} problems`}: see above.`,
        );
    });
  ci.command('gen-doc')
    .description('Write the documentation of a Starlark library as Markdown.')
    .requiredOption('-f, --file <file>', 'the library')
    .addHelpText('after', examples('dispatch ci gen-doc --file pipeline.star'))
    .action(async ({ file }: RenderFlags) => {
      const text = await readFile(resolve(environment.cwd, file), 'utf8').catch(
        (error: NodeJS.ErrnoException) => {
          throw new UserError(`${file} cannot be read (${error.code}): check its name.`, { cause: error });
        },
      );
      environment.stdout.write(await generateDocument(text, { file, modules: NO_MODULES, print }));
    });
}

function tektonRun(pipeline: Parameters<typeof compileRun>[0]['pipeline']): object {
  return compileRun({
    pipeline,
    context: {
      buildName: 'build',
      git: {
        url: '$(context.git.url)',
        commit: '$(context.git.commit)',
        branch: '$(context.git.branch)',
        tag: '$(context.git.tag)',
      },
      chatopCommand: '',
    },
    images: STEP_IMAGES,
    cloneUrl: (url) => ({ url, token: false }),
    name: 'build',
    namespace: 'default',
    tasks: Object.keys(pipeline.task),
  });
}
