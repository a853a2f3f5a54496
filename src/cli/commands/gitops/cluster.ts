import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { accessOf, CLUSTER_LABEL, IN_CLUSTER } from '../../../gitops/index.ts';
import {
  type ClusterAccess,
  HttpTransport,
  isRecord,
  KubeClient,
  type KubeObject,
  loadKubeconfig,
  NAMESPACES,
  type ResourceRef,
  type Secret,
  SECRETS,
  secretText,
  SERVICE_ACCOUNTS,
  unlessGone,
  unlessThere,
} from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, globalFlags, userKubeconfig } from '../../environment.ts';
import { examples, repeated } from '../../help.ts';
import { printList } from '../../output.ts';
import { withClient } from '../ci/client.ts';

const ACCOUNT = 'argocd-manager';
const ACCOUNT_NAMESPACE = 'kube-system';
const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const CLUSTER_ROLES: ResourceRef = { ...RBAC, plural: 'clusterroles', namespaced: false };
const CLUSTER_ROLE_BINDINGS: ResourceRef = { ...RBAC, plural: 'clusterrolebindings', namespaced: false };
const ROLES: ResourceRef = { ...RBAC, plural: 'roles', namespaced: true };
const ROLE_BINDINGS: ResourceRef = { ...RBAC, plural: 'rolebindings', namespaced: true };
const ALL = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
const PROBE_MS = 3_000;
const TOKEN_TRIES = 100;

interface AddFlags {
  listAvailable?: boolean;
  name?: string;
  inNamespace: string[];
  clusterKubeconfig?: string;
}

export function registerClusters(gitops: Command, environment: Environment): void {
  const cluster = gitops
    .command('cluster')
    .alias('clusters')
    .description('Clusters that applications are kept on.');
  registerAdd(cluster, environment);
  registerList(cluster, environment);
  cluster
    .command('rotate')
    .description('Give a cluster new credentials, and take the old ones away.')
    .argument('<server>', 'address or name of the cluster')
    .addHelpText('after', examples('dispatch gitops cluster rotate https://prod.example.com'))
    .action((server: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const secret = await findSecret(client, namespace, server);
        const target = new KubeClient(new HttpTransport(accessOf(secret)), 'dispatch-cli');
        try {
          const token = await freshToken(target);
          const config = {
            ...(JSON.parse(secretText(secret, 'config')) as object),
            bearerToken: token.value,
          };
          await client.patch(SECRETS, { namespace, name: secret.metadata.name ?? '' }, 'merge', {
            data: { config: Buffer.from(JSON.stringify(config)).toString('base64') },
          });
          const next = new KubeClient(
            new HttpTransport(
              accessOf({
                ...secret,
                data: { ...secret.data, config: Buffer.from(JSON.stringify(config)).toString('base64') },
              }),
            ),
            'dispatch-cli',
          );
          await removeOldTokens(next, token.name);
          await next.close();
        } finally {
          await target.close();
        }
        environment.stdout.write(`cluster ${server} has new credentials\n`);
      }),
    );
  cluster
    .command('rm')
    .alias('delete')
    .description('Forget a cluster. What is kept there stays.')
    .argument('<server>', 'address or name of the cluster')
    .addHelpText('after', examples('dispatch gitops cluster rm https://prod.example.com'))
    .action((server: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const secret = await findSecret(client, namespace, server);
        await client.delete(SECRETS, namespace, secret.metadata.name ?? '');
        environment.stdout.write(`cluster ${server} removed\n`);
      }),
    );
}

async function findSecret(client: KubeClient, namespace: string, server: string): Promise<Secret> {
  const { items } = await client.list<Secret>(SECRETS, {
    namespace,
    labelSelector: `${CLUSTER_LABEL}=cluster`,
  });
  const found = items.find(
    (item) => secretText(item, 'server') === server.replace(/\/$/, '') || secretText(item, 'name') === server,
  );
  if (found === undefined)
    throw new UserError(
      `There is no cluster ${server} in the namespace ${namespace}: see "dispatch gitops cluster list".`,
    );
  return found;
}

interface ContextEntry {
  name: string;
  cluster: string;
  server: string;
  isCurrent: boolean;
}

function kubeconfigPath(environment: Environment, flags: AddFlags): string {
  return flags.clusterKubeconfig ?? userKubeconfig(environment.env);
}

function contextsIn(path: string): ContextEntry[] {
  let config: unknown;
  try {
    config = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UserError(
      `The kubeconfig ${path} cannot be read: name another with --cluster-kubeconfig or KUBECONFIG.`,
      { cause: error },
    );
  }
  const list = (key: string): Record<string, unknown>[] =>
    isRecord(config) && Array.isArray(config[key]) ? (config[key] as unknown[]).filter(isRecord) : [];
  const servers = new Map(
    list('clusters').map((item) => [
      String(item['name']),
      isRecord(item['cluster']) ? String(item['cluster']['server']) : '',
    ]),
  );
  return list('contexts').map((item) => {
    const cluster = isRecord(item['context']) ? String(item['context']['cluster']) : '';
    return {
      name: String(item['name']),
      cluster,
      server: servers.get(cluster) ?? '',
      isCurrent: isRecord(config) && config['current-context'] === item['name'],
    };
  });
}

function registerAdd(cluster: Command, environment: Environment): void {
  cluster
    .command('add')
    .description('Let applications be kept on the cluster of a kubeconfig context.')
    .argument('[context]', 'name of the context')
    .option('--list-available', 'list the contexts that there are')
    .option('--name <name>', 'what the cluster is called here (default: the context)')
    .option('--in-namespace <name>', 'only this namespace of it', repeated, [])
    .option(
      '--cluster-kubeconfig <file>',
      'kubeconfig with the context (default: KUBECONFIG, then ~/.kube/config)',
    )
    .addHelpText(
      'after',
      examples(
        'dispatch gitops cluster add --list-available',
        'dispatch gitops cluster add your-cluster-auth@your-cluster',
      ),
    )
    .action(async (context: string | undefined, flags: AddFlags, command: Command) => {
      const path = kubeconfigPath(environment, flags);
      const contexts = contextsIn(path);
      if (flags.listAvailable || context === undefined) {
        printList(environment, globalFlags(command), {
          items: contexts,
          nameOf: (at) => contexts[at]!.name,
          columns: {
            CURRENT: (at) => (contexts[at]!.isCurrent ? '*' : ''),
            NAME: (at) => contexts[at]!.name,
            CLUSTER: (at) => contexts[at]!.cluster,
            SERVER: (at) => contexts[at]!.server,
          },
        });
        if (!flags.listAvailable) throw new UserError('Name one of these contexts.');
        return;
      }
      if (!contexts.some(({ name }) => name === context))
        throw new UserError(
          `${path} has no context ${context}: see "dispatch gitops cluster add --list-available".`,
        );
      await withClient(environment, command, async (client, namespace) => {
        // The user's own kubeconfig may run the user's own programs; what is stored holds a token alone.
        const access = loadKubeconfig({ path, context, allowExec: true });
        const name = flags.name ?? context;
        await addCluster(client, { access, name, namespace, namespaces: flags.inNamespace });
        environment.stdout.write(`Cluster ${access.server} added as ${name}\n`);
      });
    });
}

async function addCluster(
  client: KubeClient,
  {
    access,
    name,
    namespace,
    namespaces,
  }: { access: ClusterAccess; name: string; namespace: string; namespaces: readonly string[] },
): Promise<void> {
  const target = new KubeClient(new HttpTransport(access), 'dispatch-cli');
  try {
    await installAccount(target, namespaces);
    const token = await freshToken(target);
    const config = {
      bearerToken: token.value,
      tlsClientConfig: {
        insecure: access.insecureSkipTlsVerify === true,
        ...(access.ca !== undefined && { caData: Buffer.from(access.ca).toString('base64') }),
        ...(access.tlsServerName !== undefined && { serverName: access.tlsServerName }),
      },
    };
    const encode = (text: string): string => Buffer.from(text).toString('base64');
    const secret: Secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secretName(access.server), namespace, labels: { [CLUSTER_LABEL]: 'cluster' } },
      type: 'Opaque',
      data: {
        name: encode(name),
        server: encode(access.server.replace(/\/$/, '')),
        config: encode(JSON.stringify(config)),
        ...(namespaces.length > 0 && { namespaces: encode(namespaces.join(',')) }),
      },
    };
    await client.apply(SECRETS, secret, { force: true });
  } finally {
    await target.close();
  }
}

function secretName(server: string): string {
  const host = new URL(server).hostname.replaceAll(/[^a-z0-9.-]/gi, '-').toLowerCase();
  return `cluster-${host}-${createHash('sha256').update(server).digest('hex').slice(0, 10)}`;
}

/** The account there, with a role of everything: in the whole cluster, or in some of its namespaces. */
async function installAccount(target: KubeClient, namespaces: readonly string[]): Promise<void> {
  await unlessThere(
    target.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ACCOUNT_NAMESPACE } }),
  );
  await unlessThere(
    target.create(SERVICE_ACCOUNTS, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: ACCOUNT, namespace: ACCOUNT_NAMESPACE },
    }),
  );
  const subjects = [{ kind: 'ServiceAccount', name: ACCOUNT, namespace: ACCOUNT_NAMESPACE }];
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const [role, binding] = [`${ACCOUNT}-role`, `${ACCOUNT}-role-binding`];
  const apply = (resource: ResourceRef, object: KubeObject): Promise<KubeObject> =>
    target.apply(resource, object, { force: true });
  const reference = (kind: string): object => ({ apiGroup: RBAC.group, kind, name: role });
  if (namespaces.length === 0) {
    await apply(CLUSTER_ROLES, {
      apiVersion,
      kind: 'ClusterRole',
      metadata: { name: role },
      rules: [...ALL, { nonResourceURLs: ['*'], verbs: ['*'] }],
    });
    await apply(CLUSTER_ROLE_BINDINGS, {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: binding },
      roleRef: reference('ClusterRole'),
      subjects,
    });
  }
  for (const namespace of namespaces) {
    await apply(ROLES, { apiVersion, kind: 'Role', metadata: { name: role, namespace }, rules: ALL });
    await apply(ROLE_BINDINGS, {
      apiVersion,
      kind: 'RoleBinding',
      metadata: { name: binding, namespace },
      roleRef: reference('Role'),
      subjects,
    });
  }
}

/** A token that lasts: the cluster writes it into a Secret of the account. */
async function freshToken(target: KubeClient): Promise<{ name: string; value: string }> {
  const name = `${ACCOUNT}-token-${Date.now().toString(36)}`;
  await target.create<Secret>(SECRETS, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace: ACCOUNT_NAMESPACE,
      annotations: { 'kubernetes.io/service-account.name': ACCOUNT },
    },
    type: 'kubernetes.io/service-account-token',
  });
  for (let tries = 0; tries < TOKEN_TRIES; tries += 1) {
    const value = secretText(await unlessGone(target.get<Secret>(SECRETS, ACCOUNT_NAMESPACE, name)), 'token');
    if (value !== '') return { name, value };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new UserError('The cluster did not give a token to its account argocd-manager in time: try again.');
}

async function removeOldTokens(target: KubeClient, kept: string): Promise<void> {
  const { items } = await target.list<Secret>(SECRETS, { namespace: ACCOUNT_NAMESPACE });
  for (const { metadata, type } of items)
    if (
      type === 'kubernetes.io/service-account-token' &&
      metadata.annotations?.['kubernetes.io/service-account.name'] === ACCOUNT &&
      metadata.name !== kept
    )
      await unlessGone(target.delete(SECRETS, ACCOUNT_NAMESPACE, metadata.name ?? ''));
}

function registerList(cluster: Command, environment: Environment): void {
  cluster
    .command('list')
    .alias('ls')
    .description('List the clusters.')
    .addHelpText('after', examples('dispatch gitops cluster list'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<Secret>(SECRETS, {
          namespace,
          labelSelector: `${CLUSTER_LABEL}=cluster`,
        });
        const own = { server: IN_CLUSTER, name: 'in-cluster', ...(await probe(client)) };
        const others = await Promise.all(
          items.map(async (secret) => {
            const target = new KubeClient(new HttpTransport(accessOf(secret)), 'dispatch-cli');
            const state = await probe(target);
            await target.close();
            return { server: secretText(secret, 'server'), name: secretText(secret, 'name'), ...state };
          }),
        );
        const all = [own, ...others];
        printList(environment, globalFlags(command), {
          items: all,
          nameOf: (at) => all[at]!.name,
          columns: {
            SERVER: (at) => all[at]!.server,
            NAME: (at) => all[at]!.name,
            VERSION: (at) => all[at]!.version,
            STATUS: (at) => all[at]!.status,
          },
        });
      }),
    );
}

async function probe(client: KubeClient): Promise<{ version: string; status: string }> {
  try {
    const { gitVersion } = await client.raw<{ gitVersion: string }>({
      method: 'GET',
      path: '/version',
      signal: AbortSignal.timeout(PROBE_MS),
    });
    return { version: gitVersion, status: 'Successful' };
  } catch {
    return { version: '', status: 'Failed' };
  }
}
