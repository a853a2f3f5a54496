import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  CONFIG_MAPS,
  KNOWN_HOSTS_KEY,
  type KubeObject,
  SSH_KNOWN_HOSTS,
  unlessGone,
} from '../../../kube/index.ts';
import { TLS_CERTIFICATES } from '../../../scm/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { readInput } from '../../input.ts';
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
    .command('add-ssh')
    .description('Trust servers by their SSH keys, as "ssh-keyscan HOST" prints them.')
    .option('--from <file>', 'file with lines of known hosts; standard input where it is not given')
    .option('--batch', 'older spelling: lines are always read')
    .addHelpText(
      'after',
      examples(
        'ssh-keyscan git.example.com | dispatch gitops cert add-ssh',
        'dispatch gitops cert add-ssh --from ~/.ssh/known_hosts',
      ),
    )
    .action((flags: { from?: string }, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const text = (await readInput(environment, flags.from ?? '-')).toString();
        const lines = hostLines(text);
        if (lines.length === 0)
          throw new UserError(
            'There is no line with a host, a kind of key and a key: give what ssh-keyscan prints.',
          );
        const before = hostLines(await sshHosts(client, namespace));
        await writeSshHosts(client, namespace, [...new Set([...before, ...lines])]);
        environment.stdout.write(`${[...new Set(lines.map(hostOf))].join(', ')} known by SSH keys\n`);
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
        const ssh = hostLines(await sshHosts(client, namespace)).map((line) => ({
          host: hostOf(line),
          type: line.split(/\s+/)[1] ?? 'ssh',
        }));
        const items = [...tls, ...ssh];
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
        const lines = hostLines(await sshHosts(client, namespace));
        const kept = lines.filter((line) => hostOf(line) !== host);
        if (!(keyOf(host) in data) && kept.length === lines.length)
          throw new UserError(`No certificate and no key is known for ${host}.`);
        if (kept.length < lines.length) await writeSshHosts(client, namespace, kept);
        if (keyOf(host) in data)
          await client.patch(CONFIG_MAPS, { namespace, name: TLS_CERTIFICATES }, 'merge', {
            data: { [keyOf(host)]: null },
          });
        environment.stdout.write(`${host} is forgotten\n`);
      }),
    );
}

/** Lines that name a host, a kind of key and a key. */
function hostLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(?:@\S+\s+)?[^#\s]\S*\s+[\w@.-]+\s+[A-Za-z0-9+/=]{20,}/.test(line));
}

function hostOf(line: string): string {
  return line.split(/\s+/)[0] ?? '';
}

type Client = Parameters<Parameters<typeof withClient>[2]>[0];

async function sshHosts(client: Client, namespace: string): Promise<string> {
  return (await known(client, namespace, SSH_KNOWN_HOSTS))[KNOWN_HOSTS_KEY] ?? '';
}

async function writeSshHosts(client: Client, namespace: string, lines: readonly string[]): Promise<void> {
  await client.apply<Certs>(
    CONFIG_MAPS,
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: SSH_KNOWN_HOSTS, namespace },
      data: { [KNOWN_HOSTS_KEY]: `${lines.join('\n')}\n` },
    },
    { force: true },
  );
}

/** A colon cannot be part of a key. */
function keyOf(host: string): string {
  return host.replace(':', '_');
}

async function known(client: Client, namespace: string, name: string): Promise<Record<string, string>> {
  return (await unlessGone(client.get<Certs>(CONFIG_MAPS, namespace, name)))?.data ?? {};
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${path} cannot be read (${error.code}): check its name.`, { cause: error });
  });
}
