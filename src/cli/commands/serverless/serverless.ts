import type { Command } from 'commander';
import type { Environment } from '../../environment.ts';
import { registerApply, registerDelete, registerEdit, registerUpdate } from './change.ts';
import { registerCreate, registerMakers } from './create.ts';
import { registerEmit, registerSubscription } from './emit.ts';
import { registerExec } from './exec.ts';
import { registerFunctionCommands } from './function.ts';
import { registerGet } from './get.ts';
import { registerIam } from './iam.ts';
import { registerInstall } from './install.ts';
import { registerLog } from './log.ts';
import { registerManage } from './manage.ts';
import { registerRun } from './runs.ts';

/** Functions, endpoints and events. */
export function registerServerless(program: Command, environment: Environment): void {
  registerCreate(program, environment);
  registerGet(program, environment);
  registerMakers(registerUpdate(program, environment), { verb: 'update', environment });
  registerApply(program, environment);
  registerEdit(program, environment);
  registerDelete(program, environment);
  registerExec(program, environment);
  registerRun(program, environment);
  registerFunctionCommands(program, environment);
  registerEmit(program, environment);
  registerIam(program, environment);
  registerManage(program, environment);
  registerLog(program, environment);
  registerInstall(program, environment);
  registerSubscription(program, environment);
}
