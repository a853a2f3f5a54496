import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { isApiError, type KubeClient, type KubeObject, SECRETS, SERVICE_ACCOUNTS } from '../../kube/index.ts';
import { connectProvider, homeOf, type ProviderName, ScmError } from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import { type Environment, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';
import { printList } from '../output.ts';
import { age, withClient } from './ci/client.ts';
import { registerLogins } from './serverless/manage.ts';

interface LoginFlags {
  serviceAccount?: string;
  serviceaccount?: string;
  user?: string;
  username?: string;
  token?: string;
  appPassword?: string;
  password?: string;
  privateKeyPath?: string;
  registry?: string;
  url?: string;
  accessKeyId?: string;
  secretAccessKey?: string;
  insecureWebhookSkipTlsVerify?: boolean;
  skipVerify?: boolean;
}

interface Account extends KubeObject {
  secrets?: { name: string }[];
  imagePullSecrets?: { name: string }[];
}

const PROVIDERS = ['github', 'gitlab', 'bitbucket-cloud', 'bitbucket-server', 'gitea'] as const;

export function registerServiceAccount(program: Command, environment: Environment): void {
  const account = program
    .command('serviceaccount')
    .alias('service-account')
    .description('Accounts that pipelines run as, with their credentials.');
  account
    .command('create')
    .description('Make an account.')
    .argument('<name>', 'name of the account')
    .addHelpText('after', examples('dispatch serviceaccount create team-1'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.create(SERVICE_ACCOUNTS, {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name, namespace },
        });
        environment.stdout.write(`serviceaccount/${name} created\n`);
      }),
    );
  account
    .command('list')
    .alias('ls')
    .description('List the accounts.')
    .addHelpText('after', examples('dispatch serviceaccount list'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<Account>(SERVICE_ACCOUNTS, { namespace });
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.metadata.name ?? '',
          columns: {
            NAME: (at) => items[at]!.metadata.name ?? '',
            SECRETS: (at) => (items[at]!.secrets ?? []).map((item) => item.name).join(', '),
            AGE: (at) => age(items[at]!.metadata.creationTimestamp),
          },
        });
      }),
    );
  account
    .command('delete')
    .alias('rm')
    .description('Delete an account.')
    .argument('<name>', 'name of the account')
    .addHelpText('after', examples('dispatch serviceaccount delete team-1'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.delete(SERVICE_ACCOUNTS, namespace, name);
        environment.stdout.write(`serviceaccount/${name} deleted\n`);
      }),
    );
}

export function registerLogin(program: Command, environment: Environment): void {
  const login = program
    .command('login')
    .description('Log in to a server, or give credentials to an account.');
  registerLogins(login, program, environment);
  for (const name of [...PROVIDERS, 'git', 'docker', 's3'] as const)
    login
      .command(name)
      .description(`Log an account in to ${name}.`)
      .option('--service-account <name>', 'the account')
      .option('--serviceaccount <name>', 'older spelling of --service-account')
      .option('--user <name>', 'name of the user')
      .option('--username <name>', 'name of the user')
      .option('--token <token>', 'access token')
      .option('--app-password <password>', 'app password')
      .option('--password <password>', 'password')
      .option('--private-key-path <file>', 'private key for SSH')
      .option('--registry <host>', 'the registry')
      .option('--url <url>', 'address of the server')
      .option('--access-key-id <id>', 'access key')
      .option('--secret-access-key <key>', 'secret of the access key')
      .option(
        '--insecure-webhook-skip-tls-verify',
        'let the provider deliver without checking the certificate',
      )
      .option('--skip-verify', 'store the credentials without trying them')
      .addHelpText('after', examples(`dispatch login ${name} --service-account team-1 ${exampleOf(name)}`))
      .action((flags: LoginFlags, command: Command) =>
        withClient(environment, command, async (client, namespace) => {
          const account = flags.serviceAccount ?? flags.serviceaccount;
          if (account === undefined)
            throw new UserError('Credentials belong to an account: name it with --service-account.');
          const known = await client
            .get<Account>(SERVICE_ACCOUNTS, namespace, account)
            .catch((error: unknown) => {
              if (isApiError(error, 'NotFound'))
                throw new UserError(
                  `There is no account ${account}: make it with "dispatch serviceaccount create ${account}".`,
                  { cause: error },
                );
              throw error;
            });
          const secret = await secretOf(name, flags, { namespace, account });
          await client.apply(SECRETS, secret, { force: true });
          await attach(client, known, secret, name === 'docker');
          environment.stdout.write(
            `secret/${secret.metadata.name} created, and given to serviceaccount/${account}\n`,
          );
        }),
      );
}

function exampleOf(name: string): string {
  if (name === 'docker') return '--username ada --password $PASSWORD --registry registry.example.com';
  if (name === 'git') return '--private-key-path ~/.ssh/id_ed25519 --url git@git.example.com';
  if (name === 's3') return '--access-key-id $ID --secret-access-key $KEY --url https://s3.example.com';
  return '--user ada --token $TOKEN';
}

type LoginName = (typeof PROVIDERS)[number] | 'git' | 'docker' | 's3';

async function secretOf(
  name: LoginName,
  flags: LoginFlags,
  { namespace, account }: { namespace: string; account: string },
): Promise<KubeObject> {
  const username = flags.user ?? flags.username ?? '';
  const password = flags.token ?? flags.appPassword ?? flags.password ?? '';
  const base = (
    suffix: string,
    type: string,
    data: Record<string, string>,
    annotations: Record<string, string> = {},
  ): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `${account}-${suffix}`,
      namespace,
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    type,
    data: Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
  });
  if (name === 'docker') {
    if (username === '' || password === '')
      throw new UserError('A registry wants a name and a password: give --username and --password.');
    const registry = flags.registry ?? 'https://index.docker.io/v1/';
    const auths = {
      [registry]: { username, password, auth: Buffer.from(`${username}:${password}`).toString('base64') },
    };
    return base('docker', 'kubernetes.io/dockerconfigjson', {
      '.dockerconfigjson': JSON.stringify({ auths }),
    });
  }
  if (name === 's3') {
    if (!flags.accessKeyId || !flags.secretAccessKey)
      throw new UserError('Storage wants keys: give --access-key-id and --secret-access-key.');
    const endpoint =
      flags.url === undefined
        ? ''
        : `s3_host = ${new URL(flags.url).hostname}\ns3_port = ${new URL(flags.url).port}\n`;
    const boto = `[Credentials]\naws_access_key_id = ${flags.accessKeyId}\naws_secret_access_key = ${flags.secretAccessKey}\n${endpoint}`;
    return base('s3', 'Opaque', {
      boto,
      AWS_ACCESS_KEY_ID: flags.accessKeyId,
      AWS_SECRET_ACCESS_KEY: flags.secretAccessKey,
    });
  }
  if (flags.privateKeyPath !== undefined) {
    const key = await readFile(flags.privateKeyPath, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new UserError(`${flags.privateKeyPath} cannot be read (${error.code}): check its name.`, {
        cause: error,
      });
    });
    return base(
      `${name}-ssh`,
      'kubernetes.io/ssh-auth',
      { 'ssh-privatekey': key },
      { 'tekton.dev/git-0': flags.url ?? '' },
    );
  }
  if (password === '') throw new UserError(`${name} wants a token: give it with --token.`);
  if (name === 'git')
    return base(
      'git',
      'kubernetes.io/basic-auth',
      { username, password },
      { 'tekton.dev/git-0': flags.url ?? '' },
    );
  const url = homeFor(name, flags.url);
  if (!flags.skipVerify) await verify(name, url, { username, secret: password });
  return base(
    `scm-${name}`,
    'kubernetes.io/basic-auth',
    { username, password },
    {
      'scm.provider.name': name,
      'scm.provider.url': url,
      ...(flags.insecureWebhookSkipTlsVerify && { 'scm.webhook.insecure-skip-tls-verify': 'true' }),
    },
  );
}

function homeFor(name: ProviderName, url: string | undefined): string {
  try {
    return homeOf(name, url);
  } catch (error) {
    throw new UserError(`${name} has no address of its own: give it with --url.`, { cause: error });
  }
}

async function verify(
  name: ProviderName,
  url: string,
  credentials: { username: string; secret: string },
): Promise<void> {
  try {
    await connectProvider({ name, url, endpoint: undefined, credentials, fetch }).whoAmI();
  } catch (error) {
    if (!(error instanceof ScmError)) throw error;
    const wrong = error.status === 401 || error.status === 403;
    throw new UserError(
      `${wrong ? `${url} does not accept these credentials` : error.message}: check them, or store them as they are with --skip-verify.`,
      { cause: error },
    );
  }
}

async function attach(
  client: KubeClient,
  account: Account,
  secret: KubeObject,
  pulls: boolean,
): Promise<void> {
  const name = secret.metadata.name ?? '';
  const { namespace = '' } = account.metadata;
  const joined = (list: { name: string }[] | undefined): { name: string }[] => [
    ...(list ?? []).filter((item) => item.name !== name),
    { name },
  ];
  await client.patch(SERVICE_ACCOUNTS, { namespace, name: account.metadata.name ?? '' }, 'merge', {
    secrets: joined(account.secrets),
    ...(pulls && { imagePullSecrets: joined(account.imagePullSecrets) }),
  });
}
