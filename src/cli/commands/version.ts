import type { Command } from 'commander';
import { type Environment, packageVersion } from '../environment.ts';
import { examples } from '../help.ts';

export function registerVersion(program: Command, environment: Environment): void {
  program
    .command('version')
    .description('Print the version.')
    .addHelpText('after', examples('dispatch version'))
    .action(() => {
      environment.stdout.write(`${JSON.stringify({ Version: `v${packageVersion()}` })}\n`);
    });
}
