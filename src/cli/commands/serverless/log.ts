import { createReadStream, existsSync, statSync, watchFile } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Pod, PODS, readLines } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { dataRoot, type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { withClient } from '../ci/client.ts';

interface LogFlags {
  follow?: boolean;
  tail?: string;
}

/** What the parts of the embedded server write. */
const FILES: Record<string, string> = { gateway: 'gateway.log', keeper: 'keeper.log', server: 'server.log' };

export function registerLog(program: Command, environment: Environment): void {
  program
    .command('log')
    .alias('logs')
    .description('Show what a part of the server or a pod writes.')
    .argument('<component>', 'gateway, keeper, server, or a pod')
    .argument('[container]', 'container of the pod')
    .option('-f, --follow', 'go on with what comes')
    .option('-t, --tail <lines>', 'only the last lines', '-1')
    .addHelpText('after', examples('dispatch log gateway -f', 'dispatch log my-pod --tail 20'))
    .action(async (component: string, container: string | undefined, flags: LogFlags, command: Command) => {
      const file = join(dataRoot(environment, globalFlags(command)), 'logs', FILES[component] ?? '');
      if (FILES[component] !== undefined && existsSync(file)) {
        await showFile(environment, file, flags);
        return;
      }
      await withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<Pod>(PODS, { namespace });
        const pod = items.find(
          ({ metadata }) => metadata.name === component || metadata.name?.startsWith(`${component}-`),
        );
        if (pod === undefined)
          throw new UserError(
            `There is no part of the server and no pod ${component}: there are ${Object.keys(FILES).join(', ')}.`,
          );
        const query = new URLSearchParams({
          ...(flags.follow && { follow: 'true' }),
          ...(container && { container }),
        });
        if (Number(flags.tail) >= 0) query.set('tailLines', String(flags.tail));
        const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/log`;
        const stream = await client.stream({ method: 'GET', path, query });
        for await (const line of readLines(stream)) environment.stdout.write(`${line}\n`);
      });
    });
}

async function showFile(environment: Environment, path: string, flags: LogFlags): Promise<void> {
  const lines: string[] = [];
  let size = statSync(path).size;
  for await (const line of readLines(createReadStream(path, { end: Math.max(0, size - 1) })))
    lines.push(line);
  const count = Number(flags.tail);
  const shown = count >= 0 ? lines.slice(Math.max(0, lines.length - count)) : lines;
  for (const line of shown) environment.stdout.write(`${line}\n`);
  if (!flags.follow) return;
  watchFile(path, { interval: 200 }, (now) => {
    if (now.size < size) size = 0;
    if (now.size === size) return;
    const part = createReadStream(path, { start: size, end: now.size - 1 });
    size = now.size;
    part.on('data', (chunk) => environment.stdout.write(chunk));
  });
}
