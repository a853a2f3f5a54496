import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { compileRun } from '../../../ci/index.ts';
import { formatProblem, generateDocument, lint } from '../../../dispatchfile/index.ts';
import { STEP_IMAGES, UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { type ScmFlags, withScmFlags, WorkingTreeModules } from './modules.ts';
import { renderFile } from './render-pipeline.ts';

interface RenderFlags extends ScmFlags {
  file: string;
  tekton?: boolean;
}

export function registerRender(ci: Command, environment: Environment): void {
  const print = (text: string): void => void environment.stderr.write(`${text}\n`);
  withScmFlags(ci.command('render'))
    .description('Show the pipeline that a Dispatchfile describes.')
    .option('-f, --file <file>', 'the Dispatchfile', 'Dispatchfile')
    .option('--tekton', 'show the objects that it is run by')
    .addHelpText('after', examples('dispatch ci render', 'dispatch ci render -f ci/Dispatchfile --tekton'))
    .action(async (flags: RenderFlags, command: Command) => {
      const { file, tekton } = flags;
      const path = resolve(environment.cwd, file);
      const modules = await WorkingTreeModules.make(environment, command, path, flags);
      const { pipeline } = await renderFile(path, file, { print, modules });
      const shown = tekton ? tektonRun(pipeline) : pipeline;
      if (globalFlags(command).output === 'json')
        environment.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
      else
        environment.stdout.write(
          `${tekton ? '' : '#!yaml\n'}${stringify(shown, { aliasDuplicateObjects: false, lineWidth: 0 })}`,
        );
    });
  withScmFlags(ci.command('lint'))
    .description('Tell what in a Dispatchfile is wrong, or most likely not meant.')
    .option('-f, --file <file>', 'the Dispatchfile', 'Dispatchfile')
    .addHelpText('after', examples('dispatch ci lint', 'dispatch ci lint -f ci/Dispatchfile'))
    .action(async (flags: RenderFlags, command: Command) => {
      const { file } = flags;
      const path = resolve(environment.cwd, file);
      const modules = await WorkingTreeModules.make(environment, command, path, flags);
      const found = lint(await renderFile(path, file, { print, modules }));
      for (const problem of found) environment.stdout.write(`${formatProblem(problem)}\n`);
      if (found.length > 0)
        throw new UserError(
          `${file} has ${found.length === 1 ? 'one problem' : `${found.length} problems`}: see above.`,
        );
    });
  withScmFlags(ci.command('gen-doc'))
    .description('Write the documentation of a Starlark library as Markdown.')
    .requiredOption('-f, --file <file>', 'the library')
    .addHelpText('after', examples('dispatch ci gen-doc --file pipeline.star'))
    .action(async (flags: RenderFlags, command: Command) => {
      const { file } = flags;
      const modules = await WorkingTreeModules.make(
        environment,
        command,
        resolve(environment.cwd, file),
        flags,
      );
      const text = await readFile(resolve(environment.cwd, file), 'utf8').catch(
        (error: NodeJS.ErrnoException) => {
          throw new UserError(`${file} cannot be read (${error.code}): check its name.`, { cause: error });
        },
      );
      environment.stdout.write(await generateDocument(text, { file, modules, print }));
    });
  withScmFlags(ci.command('vendor'))
    .description('Pin what the libraries of a Dispatchfile mean now, in a lock file beside it.')
    .option('-f, --file <file>', 'the Dispatchfile', 'Dispatchfile')
    .addHelpText('after', examples('dispatch ci vendor'))
    .action(async (flags: RenderFlags, command: Command) => {
      const path = resolve(environment.cwd, flags.file);
      const modules = await WorkingTreeModules.make(environment, command, path, flags);
      await renderFile(path, flags.file, { print, modules });
      await writeFile(`${path}.lock`, modules.lock);
      environment.stdout.write(`${flags.file}.lock\n${modules.lock}`);
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
