import { open, rename, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { restore, rotateEncryption } from '../../server/index.ts';
import { connect, dataRoot, type Environment, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';

export function registerBackup(program: Command, environment: Environment): void {
  program
    .command('backup')
    .description('Write everything that the server holds into one file, while it runs.')
    .argument('<file>', 'where the backup goes; it holds all secrets and keys')
    .addHelpText('after', examples('dispatch backup before-upgrade.backup'))
    .action(async (file: string, _: object, command: Command) => {
      const bytes = await download(environment, command, file);
      environment.stdout.write(
        `Wrote ${bytes} bytes to ${file}. It holds all secrets: keep it as safe as the server.\n`,
      );
    });
  program
    .command('restore')
    .description('Put a backup in place. The server must be stopped.')
    .argument('<file>', 'the backup')
    .option('--force', 'replace the data that is there')
    .addHelpText(
      'after',
      examples(
        'dispatch restore before-upgrade.backup --force',
        'dispatch restore nightly.backup --data-dir /srv/new',
      ),
    )
    .action(async (file: string, flags: { force?: boolean }, command: Command) => {
      const root = dataRoot(environment, globalFlags(command));
      const { revision, createdAt } = await restore(root, file, { force: flags.force === true });
      environment.stdout.write(
        `Restored ${root} to revision ${revision} of ${createdAt}. Start it with "dispatch up".\n`,
      );
    });
  program
    .command('rotate-key')
    .description('Seal the stored Secrets with a new key. The server must be stopped.')
    .addHelpText('after', examples('dispatch down && dispatch rotate-key && dispatch up'))
    .action(async (_: object, command: Command) => {
      const { keyId } = await rotateEncryption(dataRoot(environment, globalFlags(command)), Date.now);
      environment.stdout.write(`Secrets are sealed with key ${keyId} now; the older keys are gone.\n`);
    });
}

/** The file appears under its name only when it is whole and on disk. */
async function download(environment: Environment, command: Command, file: string): Promise<number> {
  const client = await connect(environment, globalFlags(command));
  const temporary = `${file}.partial`;
  let size = 0;
  try {
    await using handle = await open(temporary, 'w', 0o600);
    for await (const chunk of await client.stream({ method: 'GET', path: '/backup' })) {
      await handle.write(chunk);
      size += chunk.length;
    }
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await client.close();
  }
  await rename(temporary, file);
  return size;
}
