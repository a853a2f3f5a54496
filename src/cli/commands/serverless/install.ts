import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { isRecord } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { writeConfig } from '../../contexts.ts';
import { configPath, type Environment, globalFlags, requireServer } from '../../environment.ts';
import { examples } from '../../help.ts';

/**
 * What was to be installed of old is all in the server: the configuration is read and checked, and the file that
 * tells the commands where the server is gets written.
 */
export function registerInstall(program: Command, environment: Environment): void {
  program
    .command('install')
    .description('Older spelling of "up": writes where the running server is.')
    .option('-f, --file <file>', 'configuration of old')
    .option('--dry-run', 'write nothing')
    .allowUnknownOption()
    .addHelpText('after', examples('dispatch install --file config.yaml'))
    .action(async (flags: { file?: string; dryRun?: boolean }, command: Command) => {
      if (flags.file === undefined) {
        command.outputHelp();
        return;
      }
      const config = await readConfig(resolve(environment.cwd, flags.file));
      const global = globalFlags(command);
      const server = await requireServer(environment, global);
      const url = new URL(server.api);
      const path = configPath(environment, global);
      if (flags.dryRun !== true)
        writeConfig(path, {
          host: url.hostname,
          port: Number(url.port),
          organization: '',
          cookie: '',
          insecure: true,
          skipauth: isRecord(config['dispatch']) && config['dispatch']['skipAuth'] === true,
          Json: false,
          kubeconfig: server.kubeconfig,
        });
      environment.stdout.write(`Config file written to: ${path}\n`);
    });
  program
    .command('uninstall')
    .description('Older spelling: forgets where the server is. Its data is deleted by hand.')
    .option('-f, --file <file>', 'accepted as of old')
    .allowUnknownOption()
    .addHelpText('after', examples('dispatch uninstall'))
    .action((_: object, command: Command) => {
      const path = configPath(environment, globalFlags(command));
      rmSync(path, { force: true });
      environment.stdout.write(`Config file removed: ${path}\n`);
    });
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError(`${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  });
  let config: unknown;
  try {
    config = parse(text);
  } catch (error) {
    throw new UserError(`${path} is no YAML: ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
  if (!isRecord(config)) throw new UserError(`${path} holds no configuration.`);
  return config;
}
