import {
  controllerReference,
  knownHosts,
  type KubeClient,
  type KubeObject,
  type Secret,
  SECRETS,
  secretText,
  SERVICE_ACCOUNTS,
  unlessGone,
  unlessThere,
} from '../../kube/index.ts';
import { childName } from '../names.ts';
import { type CredentialFiles, CREDENTIALS_PATH } from './pod.ts';
import type { TaskRun } from '../types.ts';

interface Account extends KubeObject {
  secrets?: { name: string }[];
  imagePullSecrets?: { name: string }[];
}

const SCM_URLS: Record<string, string> = {
  github: 'https://github.com',
  gitlab: 'https://gitlab.com',
  'bitbucket-cloud': 'https://bitbucket.org',
};

/** The secrets of a service account, as controllers may read them. */
export async function secretsOfAccount(
  client: KubeClient,
  namespace: string,
  account: string,
): Promise<Secret[]> {
  const found = await unlessGone(client.get<Account>(SERVICE_ACCOUNTS, namespace, account));
  const names = new Set(
    [...(found?.secrets ?? []), ...(found?.imagePullSecrets ?? [])].map((item) => item.name),
  );
  const secrets: Secret[] = [];
  for (const name of names) {
    const secret = await client.get<Secret>(SECRETS, namespace, name).catch(() => undefined);
    if (secret !== undefined) secrets.push(secret);
  }
  return secrets;
}

/** Makes the Secret by which the steps of a run log in to git servers and registries, if its account has any. */
export async function makeCredentials(
  client: KubeClient,
  run: TaskRun,
): Promise<CredentialFiles | undefined> {
  const namespace = run.metadata.namespace ?? '';
  const secrets = await secretsOfAccount(client, namespace, run.spec.serviceAccountName ?? 'default');
  const keys = secrets.flatMap(sshKeys);
  const files = {
    ...credentialFiles(secrets),
    ...(keys.length > 0 && sshFiles(keys, await knownHosts(client, namespace))),
  };
  if (Object.keys(files).length === 0) return undefined;
  const name = childName(run.metadata.name ?? '', '-creds');
  const secret: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, ownerReferences: [controllerReference(run)] },
    type: 'Opaque',
    data: Object.fromEntries(
      Object.entries(files).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
    ),
  };
  await unlessThere(client.create(SECRETS, secret));
  return { secretName: name, items: Object.keys(files).map((key) => ({ key, path: pathOf(key) })) };
}

const PATHS: Record<string, string> = {
  gitconfig: '.gitconfig',
  'git-credentials': '.git-credentials',
  'docker-config': '.docker/config.json',
  'ssh-known-hosts': '.ssh/known_hosts',
};

function pathOf(key: string): string {
  return PATHS[key] ?? `.ssh/${key.slice('ssh-'.length)}`;
}

function credentialFiles(secrets: readonly Secret[]): Record<string, string> | undefined {
  const git = secrets.flatMap(gitLogins);
  const docker = secrets.flatMap(dockerLogins);
  if (git.length === 0 && docker.length === 0) return undefined;
  return {
    gitconfig: gitConfig(git),
    'git-credentials': git
      .map(
        ({ url, username, password }) =>
          `${url.protocol}//${encodeURIComponent(username)}:${encodeURIComponent(password)}@${url.host}\n`,
      )
      .join(''),
    'docker-config': JSON.stringify({ auths: Object.assign({}, ...docker) as object }),
  };
}

interface SshKey {
  hosts: string[];
  key: string;
  knownHosts: string;
}

/** Keys for servers of repositories, with the servers that annotations name. */
function sshKeys(secret: Secret): SshKey[] {
  const key = secretText(secret, 'ssh-privatekey');
  if (secret.type !== 'kubernetes.io/ssh-auth' || key === '') return [];
  const hosts = Object.entries(secret.metadata.annotations ?? {}).flatMap(([name, value]) => {
    const host = /^(?:ssh:\/\/)?(?:[\w.-]+@)?([\w.-]+)/.exec(value)?.[1];
    return /^tekton\.dev\/git-\d+$/.test(name) && host !== undefined ? [host] : [];
  });
  return hosts.length === 0 ? [] : [{ hosts, key, knownHosts: secretText(secret, 'known_hosts') }];
}

/** A configuration by which each key is shown to its own servers only, and no server is believed that is not known. */
function sshFiles(keys: readonly SshKey[], known: string): Record<string, string> {
  const own = `${CREDENTIALS_PATH}/.ssh`;
  const sections = keys.map(
    ({ hosts }, at) => `Host ${hosts.join(' ')}\n  IdentityFile ${own}/key-${at}\n  IdentitiesOnly yes\n`,
  );
  const general = `Host *\n  UserKnownHostsFile ${own}/known_hosts\n  StrictHostKeyChecking yes\n  BatchMode yes\n`;
  return {
    'ssh-config': `${sections.join('')}${general}`,
    'ssh-known-hosts': `${[...keys.map((item) => item.knownHosts), known].join('\n')}\n`,
    ...Object.fromEntries(keys.map(({ key }, at) => [`ssh-key-${at}`, `${key.trimEnd()}\n`])),
  };
}

interface GitLogin {
  url: URL;
  username: string;
  password: string;
}

function gitLogins(secret: Secret): GitLogin[] {
  if (secret.type !== 'kubernetes.io/basic-auth') return [];
  const annotations = { ...secret.metadata.labels, ...secret.metadata.annotations };
  const urls = Object.entries(annotations).flatMap(([key, value]) =>
    /^tekton\.dev\/git-\d+$/.test(key) ? [value] : [],
  );
  const own = annotations['scm.provider.url'] ?? SCM_URLS[annotations['scm.provider.name'] ?? ''];
  if (own !== undefined) urls.push(own);
  const [username, password] = [secretText(secret, 'username'), secretText(secret, 'password')];
  return urls.flatMap((item) => {
    const url = URL.canParse(item) ? new URL(item) : undefined;
    return url === undefined ? [] : [{ url, username: username || 'x-access-token', password }];
  });
}

/** A credential is only ever given to the host that it belongs to. */
function gitConfig(logins: readonly GitLogin[]): string {
  const sections = logins.map(
    ({ url, username }) =>
      `[credential "${url.protocol}//${url.host}"]\n\thelper = store --file=${CREDENTIALS_PATH}/.git-credentials\n\tusername = ${JSON.stringify(username)}\n`,
  );
  return `[safe]\n\tdirectory = *\n${sections.join('')}`;
}

function dockerLogins(secret: Secret): Record<string, unknown>[] {
  if (secret.type === 'kubernetes.io/dockerconfigjson') {
    const parsed = parse(secretText(secret, '.dockerconfigjson')) as
      | { auths?: Record<string, unknown> }
      | undefined;
    return parsed?.auths === undefined ? [] : [parsed.auths];
  }
  if (secret.type === 'kubernetes.io/dockercfg') {
    const parsed = parse(secretText(secret, '.dockercfg')) as Record<string, unknown> | undefined;
    return parsed === undefined ? [] : [parsed];
  }
  if (secret.type !== 'kubernetes.io/basic-auth') return [];
  const auth = Buffer.from(`${secretText(secret, 'username')}:${secretText(secret, 'password')}`).toString(
    'base64',
  );
  return Object.entries(secret.metadata.annotations ?? {})
    .filter(([key]) => /^tekton\.dev\/docker-\d+$/.test(key))
    .map(([, registry]) => ({ [registry]: { auth } }));
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
