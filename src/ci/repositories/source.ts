import { isApiError, type KubeObject, SECRETS, SERVICE_ACCOUNTS } from '../../kube/index.ts';
import {
  connectProvider,
  type Credentials,
  homeOf,
  PROVIDER_NAMES,
  type ProviderName,
  type Remote,
  repositoryOf,
  type ScmProvider,
} from '../../scm/index.ts';
import type { CiContext } from '../context.ts';
import type { Repository } from '../resources.ts';

interface Secret extends KubeObject {
  type?: string;
  data?: Record<string, string>;
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
  /** Undefined where it is hosted here, or where no credentials are known. */
  api: ScmProvider | undefined;
  verifyTls: boolean;
}

export class SourceProblem extends Error {}

const HOSTS: Record<string, ProviderName> = {
  'github.com': 'github',
  'gitlab.com': 'gitlab',
  'bitbucket.org': 'bitbucket-cloud',
};
const LOCAL = /\/dispatch\/git\/([^/]+)\/([^/]+?)(?:\.git)?\/?$/;

/** Finds out where a Repository is. Throws a `SourceProblem` that says what is missing. */
export async function sourceOf(context: CiContext, repository: Repository): Promise<Source> {
  const { spec } = repository;
  const namespace = repository.metadata.namespace ?? '';
  const local = localName(repository);
  if (local !== undefined) return localSource(context, local);
  const secret = await findSecret(context, namespace, spec);
  const provider = providerOf(spec, secret);
  const url =
    spec.url ??
    (provider === undefined || spec.repository === undefined
      ? undefined
      : cloneUrlOf(provider, spec.baseUrl ?? annotation(secret, 'scm.provider.url'), spec.repository));
  if (url === undefined)
    throw new SourceProblem(
      'It names neither a url nor a repository of a known provider: give one with --url.',
    );
  const fullName = spec.repository ?? repositoryOf(url) ?? '';
  const credentials = credentialsOf(secret);
  const home = spec.baseUrl ?? annotation(secret, 'scm.provider.url');
  // A credential goes to the host that it belongs to, and to no other.
  const ours =
    provider !== undefined &&
    URL.canParse(url) &&
    new URL(url).host === new URL(homeOf(provider, home ?? new URL(url).origin)).host;
  const api =
    provider === undefined || credentials === undefined || !ours
      ? undefined
      : connectProvider({
          name: provider,
          url: home ?? (URL.canParse(url) ? new URL(url).origin : undefined),
          endpoint: spec.endpoint,
          credentials,
          fetch: context.fetch,
        });
  return {
    provider,
    fullName,
    remote: { url, credentials: ours ? credentials : undefined },
    cloneUrl: { url, token: false },
    api,
    verifyTls: annotation(secret, 'scm.webhook.insecure-skip-tls-verify') !== 'true',
  };
}

/** A repository that this server hosts itself, by its address or by its provider. */
export function localName({ spec }: Repository): { owner: string; name: string } | undefined {
  const found = LOCAL.exec(spec.url ?? '');
  if (found !== null) return { owner: found[1]!, name: found[2]! };
  if (spec.provider !== 'dispatch') return undefined;
  const [owner, name] = (spec.repository ?? '').split('/');
  return owner && name ? { owner, name } : undefined;
}

function localSource({ forge, clusterUrl }: CiContext, local: { owner: string; name: string }): Source {
  return {
    provider: 'dispatch',
    fullName: `${local.owner}/${local.name}`,
    remote: { url: forge.pathOf(local), credentials: undefined },
    cloneUrl: { url: `${clusterUrl}/dispatch/git/${local.owner}/${local.name}.git`, token: true },
    api: undefined,
    verifyTls: true,
  };
}

/** The secret that is named, or the one of the account that fits. */
async function findSecret(
  context: CiContext,
  namespace: string,
  spec: Repository['spec'],
): Promise<Secret | undefined> {
  const { client } = context;
  const get = (name: string): Promise<Secret | undefined> =>
    client.get<Secret>(SECRETS, namespace, name).catch((error: unknown) => {
      if (isApiError(error, 'NotFound')) return undefined;
      throw error;
    });
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

function providerOf(spec: Repository['spec'], secret: Secret | undefined): ProviderName | undefined {
  const named = spec.provider ?? annotation(secret, 'scm.provider.name') ?? HOSTS[hostOf(spec.url) ?? ''];
  return PROVIDER_NAMES.find((name) => name === named);
}

function credentialsOf(secret: Secret | undefined): Credentials | undefined {
  if (secret === undefined) return undefined;
  const text = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
  const password = text('password') || text('token');
  return password === '' ? undefined : { username: text('username'), secret: password };
}

function cloneUrlOf(provider: ProviderName, home: string | undefined, repository: string): string {
  return `${homeOf(provider, home)}/${provider === 'bitbucket-server' ? 'scm/' : ''}${repository}.git`;
}
