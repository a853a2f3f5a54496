import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { type Secret, SECRETS, secretText } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { printList } from '../../output.ts';
import { withClient } from '../ci/client.ts';

const LABEL = 'argocd.argoproj.io/secret-type';
const TYPE = 'repo-creds';

interface AddFlags {
  username?: string;
  token?: string;
  password?: string;
  sshPrivateKeyPath?: string;
}

export function registerCreds(gitops: Command, environment: Environment): void {
  const creds = gitops
    .command('creds')
    .description('Logins for repositories, by what their addresses begin with.');
  creds
    .command('add')
    .description('Store a login.')
    .argument('<url>', 'address of a repository, or what addresses begin with')
    .option('--username <name>', 'name of the user')
    .option('--token <token>', 'access token')
    .option('--password <password>', 'password')
    .option('--ssh-private-key-path <file>', 'private key for SSH')
    .addHelpText(
      'after',
      examples(
        'dispatch gitops creds add https://github.com/ada/hello-world-gitops --username ada --token $GITOPSTOKEN',
      ),
    )
    .action((url: string, flags: AddFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const data = await dataOf(url, flags);
        const name = nameOf(url);
        const secret: Secret = {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name, namespace, labels: { [LABEL]: TYPE } },
          type: 'Opaque',
          data: Object.fromEntries(
            Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
          ),
        };
        await client.apply(SECRETS, secret, { force: true });
        environment.stdout.write(`secret/${name} created: it is used for ${url}\n`);
      }),
    );
  creds
    .command('list')
    .alias('ls')
    .description('List what logins are stored for.')
    .addHelpText('after', examples('dispatch gitops creds list'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<Secret>(SECRETS, {
          namespace,
          labelSelector: `${LABEL} in (${TYPE}, repository)`,
        });
        // Nothing of the logins themselves is ever printed.
        const known = items.map((secret) => ({
          name: secret.metadata.name ?? '',
          url: secretText(secret, 'url'),
          username: secretText(secret, 'username'),
          type: secretText(secret, 'sshPrivateKey') === '' ? 'password' : 'ssh',
        }));
        printList(environment, globalFlags(command), {
          items: known,
          nameOf: (at) => known[at]!.name,
          columns: {
            URL: (at) => known[at]!.url,
            USERNAME: (at) => known[at]!.username,
            TYPE: (at) => known[at]!.type,
            SECRET: (at) => known[at]!.name,
          },
        });
      }),
    );
  creds
    .command('rm')
    .alias('delete')
    .description('Forget a login.')
    .argument('<url>', 'the address that it was stored for')
    .addHelpText('after', examples('dispatch gitops creds rm https://github.com/ada/hello-world-gitops'))
    .action((url: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.delete(SECRETS, namespace, nameOf(url));
        environment.stdout.write(`secret/${nameOf(url)} deleted\n`);
      }),
    );
}

async function dataOf(url: string, flags: AddFlags): Promise<Record<string, string>> {
  const isSsh = flags.sshPrivateKeyPath !== undefined;
  if (!isSsh && !/^https?:\/\/[^@]+$/.test(url))
    throw new UserError(
      `${JSON.stringify(url)} is no address for a login: give it as https://host/path, without a login in it.`,
    );
  if (isSsh) {
    const key = await readFile(flags.sshPrivateKeyPath!, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new UserError(`${flags.sshPrivateKeyPath} cannot be read (${error.code}): check its name.`, {
        cause: error,
      });
    });
    return { url, sshPrivateKey: key };
  }
  const password = flags.token ?? flags.password;
  if (!password) throw new UserError('A login needs a token or a password: give --token or --password.');
  return { url, username: flags.username ?? '', password };
}

function nameOf(url: string): string {
  return `repo-creds-${createHash('sha256')
    .update(url.replace(/\/+$/, '').replace(/\.git$/, ''))
    .digest('hex')
    .slice(0, 10)}`;
}
