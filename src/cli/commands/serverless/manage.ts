import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type KubeObject, NAMESPACES, SERVICE_ACCOUNTS, unlessThere } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import {
  configPath,
  connect,
  dataRoot,
  type Environment,
  findCluster,
  globalFlags,
} from '../../environment.ts';
import {
  contextName,
  type Contexts,
  readContexts,
  type SavedContext,
  writeContexts,
} from '../../contexts.ts';
import { examples } from '../../help.ts';
import { createOrReplace } from './change.ts';
import { iamKinds, PUBLIC_KEY } from './kinds-iam.ts';
import { oldTable } from './old-table.ts';

interface BootstrapFlags {
  bootstrapUser?: string;
  bootstrapSvcAccount: string;
  bootstrapOrg: string;
  disable?: boolean;
}

const SYSTEM = 'dispatch-system';
const POLICY = 'default-policy';

export function registerManage(program: Command, environment: Environment): void {
  const manage = program
    .command('manage')
    .description('Contexts of this command, and the first accounts of a server.');
  registerContext(manage, environment);
  manage
    .command('bootstrap')
    .description(
      'Make the first organisation, an account with a key, and a policy that lets it do everything.',
    )
    .option('--bootstrap-user <user>', 'user that may do everything as well')
    .option('--bootstrap-svc-account <name>', 'name of the account', 'default-svc')
    .option('--bootstrap-org <name>', 'name of the organisation', 'dispatch')
    .option('--timeout <duration>', 'accepted as of old')
    .option('-d, --disable', 'take the policy back')
    .addHelpText('after', examples('dispatch manage bootstrap', 'dispatch manage bootstrap --disable'))
    .action((flags: BootstrapFlags, command: Command) => bootstrap(environment, command, flags));
}

function registerContext(manage: Command, environment: Environment): void {
  const context = manage
    .command('context')
    .description('Show the contexts, or choose one.')
    .option('-s, --set <name>', 'choose this one')
    .addHelpText('after', examples('dispatch manage context', 'dispatch manage context --set localhost'))
    .action((flags: { set?: string }, command: Command) => {
      if (flags.set !== undefined) choose(environment, command, flags.set);
      else show(environment, contextsOf(environment, command));
    });
  context
    .command('current')
    .description('Show which one is chosen.')
    .addHelpText('after', examples('dispatch manage context current'))
    .action((_: object, command: Command) => {
      environment.stdout.write(`${contextsOf(environment, command).current}\n`);
    });
  context
    .command('set <name>')
    .description('Choose one.')
    .addHelpText('after', examples('dispatch manage context set localhost'))
    .action((name: string, _: object, command: Command) => choose(environment, command, name));
  context
    .command('delete <name>')
    .description('Forget one.')
    .addHelpText('after', examples('dispatch manage context delete localhost'))
    .action((name: string, _: object, command: Command) => {
      const all = contextsOf(environment, command);
      known(all, name);
      const { [name]: __, ...rest } = all.contexts;
      writeContexts(configPath(environment, globalFlags(command)), {
        current: all.current === name ? '' : all.current,
        contexts: rest,
      });
      environment.stdout.write(`Deleted context: ${name}\n`);
    });
}

function contextsOf(environment: Environment, command: Command): Contexts {
  return readContexts(configPath(environment, globalFlags(command)));
}

function choose(environment: Environment, command: Command, name: string): void {
  const all = contextsOf(environment, command);
  known(all, name);
  writeContexts(configPath(environment, globalFlags(command)), { ...all, current: name });
  environment.stdout.write(`Set context to ${name}\n`);
}

function known(all: Contexts, name: string): void {
  if (all.contexts[name] === undefined)
    throw new UserError(`There is no context ${name}: see "dispatch manage context".`);
}

function show(environment: Environment, { current, contexts }: Contexts): void {
  const rows = Object.entries(contexts).map(([name, context]) => {
    const { token: _, cookie: __, ...shown } = context;
    return [`${name === current ? '* ' : ''}${name}`, JSON.stringify(shown)];
  });
  environment.stdout.write(oldTable(['Context', 'Config'], rows));
}

export function registerLogins(login: Command, program: Command, environment: Environment): void {
  // A command of its own, because those of its siblings mean something else by --token.
  login
    .command('server', { isDefault: true })
    .description('Log in to a server (what login does by itself).')
    .option('--debug', 'accepted as of old')
    .addHelpText(
      'after',
      examples(
        'dispatch login --service-account robot --jwt-private-key robot.key',
        'dispatch login --token $TOKEN',
      ),
    )
    .action((_: object, command: Command) => logIn(environment, command));
  program
    .command('logout')
    .description('Forget how to get in.')
    .option('--debug', 'accepted as of old')
    .addHelpText('after', examples('dispatch logout'))
    .action((_: object, command: Command) => {
      const path = configPath(environment, globalFlags(command));
      const all = readContexts(path);
      const context = all.contexts[all.current];
      if (context === undefined)
        throw new UserError('There is no context to log out of: see "dispatch manage context".');
      const { token: __, serviceaccount: ___, jwtprivatekey: ____, cookie: _____, ...rest } = context;
      writeContexts(path, { ...all, contexts: { ...all.contexts, [all.current]: rest } });
      environment.stdout.write('You have successfully logged out\n');
    });
}

/** Tries the credentials, and keeps them when they are good. */
async function logIn(environment: Environment, command: Command): Promise<void> {
  const flags = globalFlags(command);
  const { token, serviceAccount, jwtPrivateKey } = flags;
  if (token === undefined && (serviceAccount === undefined || jwtPrivateKey === undefined))
    throw new UserError('Say who you are: with --token, or with --service-account and --jwt-private-key.');
  const client = await connect(environment, flags);
  try {
    await client.raw({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      headers: { 'content-type': 'application/json' },
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    });
  } finally {
    await client.close();
  }
  const { access } = await findCluster(environment, flags);
  const url = new URL(access.server);
  const context: SavedContext = {
    host: url.hostname,
    port: Number(url.port || 443),
    scheme: url.protocol.slice(0, -1),
    organization: flags.namespace ?? flags.organization ?? '',
    insecure: access.insecureSkipTlsVerify === true,
    ...(access.ca !== undefined && { ca: access.ca }),
    ...(token !== undefined && { token }),
    ...(serviceAccount !== undefined && { serviceaccount: serviceAccount, jwtprivatekey: jwtPrivateKey }),
  };
  const path = configPath(environment, flags);
  const all = readContexts(path);
  const name = contextName(url.hostname);
  writeContexts(path, { current: name, contexts: { ...all.contexts, [name]: context } });
  environment.stdout.write(`You have successfully logged in, config saved to ${path}\n`);
}

async function bootstrap(environment: Environment, command: Command, flags: BootstrapFlags): Promise<void> {
  const all = globalFlags(command);
  const client = await connect(environment, all);
  const [policy] = iamKinds;
  try {
    if (flags.disable) {
      await client.delete(policy!.resource, SYSTEM, POLICY);
      environment.stdout.write(`Deleted policy: ${POLICY}\n`);
      return;
    }
    const { bootstrapOrg: org, bootstrapSvcAccount: account } = flags;
    await unlessThere(
      client.create<KubeObject>(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: org } }),
    );
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const dir = join(dataRoot(environment, all), 'keys');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const path = join(dir, `${org}-${account}.key`);
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    await client.apply<KubeObject>(
      SERVICE_ACCOUNTS,
      {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: {
          name: account,
          namespace: org,
          annotations: { [PUBLIC_KEY]: Buffer.from(pem).toString('base64') },
        },
      },
      { force: true },
    );
    const subjects = [
      `${org}/${account}`,
      ...(flags.bootstrapUser === undefined ? [] : [flags.bootstrapUser]),
    ];
    const rules = [{ subjects, actions: ['*'], resources: ['*'] }];
    const making = { base: environment.cwd, client, namespace: SYSTEM };
    await createOrReplace(client, policy!, await policy!.make({ name: POLICY, global: true, rules }, making));
    environment.stdout.write(
      `Created organization: ${org}\nCreated service account: ${account}\nCreated policy: ${POLICY}\n` +
        `Log in with: dispatch login --organization ${org} --service-account ${org}/${account} --jwt-private-key ${path}\n`,
    );
  } finally {
    await client.close();
  }
}
