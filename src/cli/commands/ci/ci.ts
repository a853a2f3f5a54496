import { Command } from 'commander';
import type { Environment } from '../../environment.ts';
import { registerDebug } from './debug.ts';
import { registerImageRepository } from './image-repository.ts';
import { registerRunLocal } from './local.ts';
import { registerRender } from './render.ts';
import { registerCreate, registerRepository } from './repository.ts';
import { registerRerun, registerRunRemote, registerRuns } from './runs.ts';

export function registerCi(program: Command, environment: Environment): void {
  const ci = program.command('ci').description('Pipelines: from a Dispatchfile to its runs.');
  const run = ci.command('run').description('Run a pipeline now.');
  registerRunLocal(run, environment);
  registerRunRemote(run, environment);
  registerRepository(ci, environment);
  registerImageRepository(ci, environment);
  registerRender(ci, environment);
  registerRuns(ci, environment);
  registerRerun(ci, environment);
  registerDebug(ci, environment);
  // Older spellings: "dispatch create repository" and "dispatch ci create repository".
  for (const parent of [program, ci]) {
    const known = parent.commands.find((command) => command.name() === 'create');
    const create = known ?? new Command('create').description('Older spelling of "ci repository create".');
    registerCreate(create.command('repository', { hidden: true }), environment);
    if (known === undefined) parent.addCommand(create, { hidden: true });
  }
}
