import type { Command } from 'commander';
import type { Environment } from '../../environment.ts';
import { registerRunLocal } from './local.ts';
import { registerRender } from './render.ts';

export function registerCi(program: Command, environment: Environment): void {
  const ci = program.command('ci').description('Pipelines: from a Dispatchfile to its runs.');
  const run = ci.command('run').description('Run a pipeline now.');
  registerRunLocal(run, environment);
  registerRender(ci, environment);
}
