import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CONFIG_MAPS, type KubeObject, unlessGone } from '../../../kube/index.ts';
import { TLS_CERTIFICATES } from '../../../scm/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { printList } from '../../output.ts';
import { withClient } from '../ci/client.ts';

interface Certs extends KubeObject {
  data?: Record<string, string>;
}

export function registerCerts(gitops: Command, environment: Environment): void {
  const cert = gitops
    .command('cert')
    .description('Certificates and keys by which servers of repositories are known.');
  cert
    .command('add-tls')
    .description('Trust a server by a certificate of its own.')
    .argument('<host>', 'name of the server')
    .requiredOption('--from <file>', 'file with the certificates in PEM')
    .addHelpText('after', examples('dispatch gitops cert add-tls git.example.com --from ca.pem'))
    .action((host: string, flags: { from: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const text = await readText(flags.from);
        if (!text.includes('BEGIN CERTIFICATE'))
          throw new UserError(`${flags.from} holds no certificate in PEM.`);
        await client.apply<Certs>(
          CONFIG_MAPS,
          {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            metadata: { name: TLS_CERTIFICATES, namespace },
            data: { ...(await known(client, namespace, TLS_CERTIFICATES)), [keyOf(host)]: text },
          },
          { force: true },
        );
        environment.stdout.write(`${host} is known by its certificate\n`);
      }),
    );
  cert
    .command('list')
    .alias('ls')
    .description('List the servers that are known.')
    .addHelpText('after', examples('dispatch gitops cert list'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const tls = Object.keys(await known(client, namespace, TLS_CERTIFICATES)).map((host) => ({
          host: host.replace('_', ':'),
          type: 'tls',
        }));
        const items = tls;
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.host,
          columns: { HOST: (at) => items[at]!.host, TYPE: (at) => items[at]!.type },
        });
      }),
    );
  cert
    .command('rm')
    .description('Forget a server.')
    .argument('<host>', 'name of the server')
    .addHelpText('after', examples('dispatch gitops cert rm git.example.com'))
    .action((host: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const data = await known(client, namespace, TLS_CERTIFICATES);
        if (!(keyOf(host) in data)) throw new UserError(`No certificate is known for ${host}.`);
        await client.patch(CONFIG_MAPS, { namespace, name: TLS_CERTIFICATES }, 'merge', {
          data: { [keyOf(host)]: null },
        });
        environment.stdout.write(`${host} is forgotten\n`);
      }),
    );
}

/** A colon cannot be part of a key. */
function keyOf(host: string): string {
  return host.replace(':', '_');
}

async function known(
  client: Parameters<Parameters<typeof withClient>[2]>[0],
  namespace: string,
  name: string,
): Promise<Record<string, string>> {
  return (await unlessGone(client.get<Certs>(CONFIG_MAPS, namespace, name)))?.data ?? {};
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${path} cannot be read (${error.code}): check its name.`, { cause: error });
  });
}
