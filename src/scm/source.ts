import {
  isApiError,
  knownHosts,
  type KubeClient,
  type KubeObject,
  type Secret,
  SECRETS,
  secretText,
  SERVICE_ACCOUNTS,
  unlessGone,
} from '../kube/index.ts';
import { certificateFor } from './certificates.ts';
import type { ForgeRepositories } from './forge/repositories.ts';
import type { Remote } from './mirror.ts';
import { sshHost, type SshLogin, sshLoginOf } from './ssh.ts';
import { connectProvider, repositoryOf } from './providers/connect.ts';
import { type Credentials, PROVIDER_NAMES, type ProviderName, type ScmProvider } from './providers/types.ts';

/** What is needed to find out where repositories are. */
export interface SourceContext {
  client: KubeClient;
  fetch: typeof fetch;
  /** The same for a server that is known by certificates of its own. */
  trusting: (ca: string) => typeof fetch;
  forge: ForgeRepositories;
  /** What this server tells a provider, where it is the provider itself. */
  localApi: ScmProvider;
  /** How people and providers reach this server: "http://127.0.0.1:8081". */
  publicUrl: () => string;
  /** How pods do. */
  clusterUrl: string;
}

/** A repository as objects name it. */
export interface RepositoryPlace {
  metadata: { namespace?: string };
  spec: {
    repository?: string;
    url?: string;
    secret?: string;
    serviceAccount?: string;
    provider?: string;
    baseUrl?: string;
    endpoint?: string;
  };
}

/** Where a repository is, and how this server may speak to its provider. */
export interface Source {
  provider: ProviderName | undefined;
  /** "owner/name" */
  fullName: string;
  /** How this server reads it. */
  remote: Remote;
  /** How pods fetch it. */
  cloneUrl: { url: string; token: boolean };
  /** Undefined where no credentials are known. */
  api: ScmProvider | undefined;
  verifyTls: boolean;
}

export class SourceProblem extends Error {}

const PUBLIC_HOMES: Partial<Record<ProviderName, string>> = {
  github: 'https://github.com',
  gitlab: 'https://gitlab.com',
  'bitbucket-cloud': 'https://bitbucket.org',
};
const LOCAL = /^\/dispatch\/git\/([^/]+)\/([^/]+?)(?:\.git)?\/?$/;
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
/** What git may be given to read from: no path of this machine, and no program. */
const READABLE = /^(?:https?:\/\/|ssh:\/\/|[\w.-]+@[\w.-]+:)/;

/** Finds out where a Repository is. Throws a `SourceProblem` that says what is missing. */
export async function sourceOf(context: SourceContext, repository: RepositoryPlace): Promise<Source> {
  const { spec } = repository;
  const namespace = repository.metadata.namespace ?? '';
  const local = localName(context, repository);
  if (local !== undefined) return localSource(context, local, namespace);
  const secret = await findSecret(context, namespace, spec);
  const provider = providerOf(spec, secret);
  const url =
    spec.url ??
    (provider && spec.repository && cloneUrlOf(provider, homeFor(provider, spec, secret), spec.repository));
  if (!url)
    throw new SourceProblem(
      'It names neither a url nor a repository of a known provider: give one with --url.',
    );
  if (!READABLE.test(url))
    throw new SourceProblem(
      `${JSON.stringify(url)} cannot be read from: give an https, http or ssh address.`,
    );
  const credentials = provider && belongsTo(secret, provider, url) ? credentialsOf(secret) : undefined;
  const ca = await certificateFor(context.client, namespace, url);
  const ssh = await sshFor(context, { namespace, spec, url });
  return {
    provider,
    fullName: spec.repository ?? repositoryOf(url) ?? '',
    remote: { url, credentials, ...(ca !== undefined && { ca }), ...(ssh !== undefined && { ssh }) },
    cloneUrl: { url, token: false },
    api: provider && credentials && connect(context, { provider, url, spec, credentials, ca }),
    verifyTls: annotation(secret, 'scm.webhook.insecure-skip-tls-verify') !== 'true',
  };
}

/** The key of the account, or of the Secret that is named, for the server of an SSH address; and who that server is. */
async function sshFor(
  { client }: SourceContext,
  { namespace, spec, url }: { namespace: string; spec: RepositoryPlace['spec']; url: string },
): Promise<SshLogin | undefined> {
  const host = sshHost(url);
  if (host === undefined) return undefined;
  const known = await knownHosts(client, namespace);
  const get = (name: string): Promise<Secret | undefined> =>
    unlessGone(client.get<Secret>(SECRETS, namespace, name));
  if (spec.secret !== undefined) return sshLoginOf(await get(spec.secret), known);
  const account = await unlessGone(
    client.get<KubeObject & { secrets?: { name: string }[] }>(
      SERVICE_ACCOUNTS,
      namespace,
      spec.serviceAccount ?? 'default',
    ),
  );
  for (const { name } of account?.secrets ?? []) {
    const secret = await get(name);
    if (secret !== undefined && isForServer(secret, host)) return sshLoginOf(secret, known);
  }
  // Without a key of its own it may still be one that a prefix of addresses has.
  return { key: '', knownHosts: known };
}

/** Annotations say which server a key is for: those of Tekton, or where the provider is. */
function isForServer(secret: Secret, host: string): boolean {
  if (secretText(secret, 'ssh-privatekey') === '') return false;
  const named = Object.entries(secret.metadata.annotations ?? {})
    .filter(([key]) => key.startsWith('tekton.dev/git-') || key === 'scm.provider.url')
    .map(([, value]) => value);
  const bare = host.replace(/^\[(.*)\]:\d+$/, '$1');
  return named.some((value) => {
    const own = sshHost(value) ?? hostOf(value) ?? value.replace(/^[\w.-]+@/, '');
    return own === host || own === bare;
  });
}

/** Whether a credential is for the host of an address: it goes to that host, and to no other. */
function belongsTo(secret: Secret | undefined, provider: ProviderName, url: string): boolean {
  const home = annotation(secret, 'scm.provider.url') ?? PUBLIC_HOMES[provider];
  return home !== undefined && hostOf(home) !== undefined && hostOf(home) === hostOf(url);
}

function connect(
  context: SourceContext,
  at: {
    provider: ProviderName;
    url: string;
    spec: RepositoryPlace['spec'];
    credentials: Credentials;
    ca: string | undefined;
  },
): ScmProvider {
  const { provider, url, spec, credentials } = at;
  const host = hostOf(url) ?? '';
  const api = hostOf(spec.endpoint);
  if (api !== undefined && api !== host && !api.endsWith(`.${host}`))
    throw new SourceProblem(
      `The endpoint ${api} is at another host than the repository: its credentials are not for it.`,
    );
  return connectProvider({
    name: provider,
    url: new URL(url).origin,
    endpoint: spec.endpoint,
    credentials,
    fetch: at.ca === undefined ? context.fetch : context.trusting(at.ca),
  });
}

function homeFor(provider: ProviderName, spec: RepositoryPlace['spec'], secret: Secret | undefined): string {
  const home = spec.baseUrl ?? annotation(secret, 'scm.provider.url') ?? PUBLIC_HOMES[provider];
  if (home === undefined)
    throw new SourceProblem(`${provider} has no address of its own: give the url of the repository.`);
  return home;
}

/** "owner/name" of an address of this server, whichever way it is reached. */
export function forgeName(
  { publicUrl, clusterUrl }: SourceContext,
  url: string,
): { owner: string; name: string } | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname, host, pathname } = new URL(url);
  if (!LOOPBACK.has(hostname) && host !== hostOf(publicUrl()) && host !== hostOf(clusterUrl))
    return undefined;
  const found = LOCAL.exec(pathname);
  return found === null ? undefined : { owner: found[1]!, name: found[2]! };
}

/** A repository that this server hosts itself, by its address or by its provider. */
export function localName(
  context: SourceContext,
  { spec }: RepositoryPlace,
): { owner: string; name: string } | undefined {
  const found = forgeName(context, spec.url ?? '');
  if (found !== undefined || spec.provider !== 'dispatch') return found;
  const [owner, name] = (spec.repository ?? '').split('/');
  return owner && name ? { owner, name } : undefined;
}

export function forgeCloneUrl(
  { clusterUrl }: SourceContext,
  { owner, name }: { owner: string; name: string },
): Source['cloneUrl'] {
  return { url: `${clusterUrl}/dispatch/git/${owner}/${name}.git`, token: true };
}

/** The owner of a repository is the namespace that it belongs to: no other may have this server read it. */
function localSource(
  context: SourceContext,
  local: { owner: string; name: string },
  namespace: string,
): Source {
  if (local.owner !== namespace)
    throw new SourceProblem(
      `The repository ${local.owner}/${local.name} belongs to the namespace ${local.owner}: make the Repository there.`,
    );
  return {
    provider: 'dispatch',
    fullName: `${local.owner}/${local.name}`,
    remote: { url: context.forge.pathOf(local), credentials: undefined },
    cloneUrl: forgeCloneUrl(context, local),
    api: context.localApi,
    verifyTls: true,
  };
}

/** The secret that is named, or the one of the account that fits. */
async function findSecret(
  context: SourceContext,
  namespace: string,
  spec: RepositoryPlace['spec'],
): Promise<Secret | undefined> {
  const { client } = context;
  const get = (name: string): Promise<Secret | undefined> =>
    unlessGone(client.get<Secret>(SECRETS, namespace, name));
  if (spec.secret !== undefined) {
    const found = await get(spec.secret);
    if (found === undefined)
      throw new SourceProblem(`There is no Secret ${spec.secret} with its credentials.`);
    return found;
  }
  const account = await client
    .get<KubeObject & { secrets?: { name: string }[] }>(
      SERVICE_ACCOUNTS,
      namespace,
      spec.serviceAccount ?? 'default',
    )
    .catch((error: unknown) => {
      if (isApiError(error, 'NotFound'))
        throw new SourceProblem(
          `There is no service account ${spec.serviceAccount}: make it with "dispatch serviceaccount create ${spec.serviceAccount}".`,
        );
      throw error;
    });
  const secrets = (await Promise.all((account.secrets ?? []).map((item) => get(item.name)))).filter(
    (item) => item !== undefined,
  );
  const wanted = providerOf(spec, undefined);
  const host = hostOf(spec.url ?? spec.baseUrl);
  return secrets.find((item) => {
    const name = annotation(item, 'scm.provider.name');
    if (name === undefined || (wanted !== undefined && wanted !== name)) return false;
    const own = hostOf(annotation(item, 'scm.provider.url'));
    return host === undefined || own === undefined || own === host;
  });
}

function hostOf(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url).host : undefined;
}

function annotation(secret: Secret | undefined, key: string): string | undefined {
  return secret?.metadata.annotations?.[key] ?? secret?.metadata.labels?.[key];
}

function providerOf(spec: RepositoryPlace['spec'], secret: Secret | undefined): ProviderName | undefined {
  const named = spec.provider ?? annotation(secret, 'scm.provider.name') ?? publicProvider(spec.url);
  return PROVIDER_NAMES.find((name) => name === named);
}

function publicProvider(url: string | undefined): string | undefined {
  return Object.entries(PUBLIC_HOMES).find(([, home]) => hostOf(home) === hostOf(url))?.[0];
}

function credentialsOf(secret: Secret | undefined): Credentials | undefined {
  if (secret === undefined) return undefined;
  const password = secretText(secret, 'password') || secretText(secret, 'token');
  return password === '' ? undefined : { username: secretText(secret, 'username'), secret: password };
}

function cloneUrlOf(provider: ProviderName, home: string, repository: string): string {
  return `${home.replace(/\/$/, '')}/${provider === 'bitbucket-server' ? 'scm/' : ''}${repository}.git`;
}
