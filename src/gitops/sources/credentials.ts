import { type Informer, type Secret, SECRETS, secretText } from '../../kube/index.ts';
import { type Source, sourceOf, sshHost, sshLoginOf } from '../../scm/index.ts';
import { CONTROL_NAMESPACES } from '../clusters/clusters.ts';
import type { GitopsContext } from '../context.ts';

const TYPE_LABEL = 'argocd.argoproj.io/secret-type';
const BY_TYPE = 'secret-type-of-repository';

export interface Login {
  username: string;
  secret: string;
}

/** Logins for repositories: of the account that an object names, of a Secret for that address, or for its beginning. */
export class RepositoryCredentials {
  readonly #context: GitopsContext;
  readonly #secrets: Informer<Secret>;

  constructor(context: GitopsContext) {
    this.#context = context;
    this.#secrets = context.informers
      .for<Secret>(SECRETS)
      .addIndex(BY_TYPE, (secret) => [secret.metadata.labels?.[TYPE_LABEL] ?? '']);
  }

  /** Where a repository is and how it is read. Throws where it cannot be. */
  async source(
    url: string,
    {
      namespace,
      account,
      secret,
    }: { namespace: string; account?: string | undefined; secret?: string | undefined },
  ): Promise<Source> {
    const source = await sourceOf(this.#context, {
      metadata: { namespace },
      spec: { url, ...(account && { serviceAccount: account }), ...(secret && { secret }) },
    });
    const { remote } = source;
    if (remote.ssh?.key === '') {
      const found = sshLoginOf(this.#secretFor(url, namespace), remote.ssh.knownHosts);
      return { ...source, remote: { ...remote, ssh: found ?? remote.ssh } };
    }
    if (remote.credentials !== undefined || source.provider === 'dispatch') return source;
    const login = this.login(url, namespace);
    return login === undefined ? source : { ...source, remote: { ...source.remote, credentials: login } };
  }

  /** A login that was stored for an address, or for what it begins with: the longest wins. */
  login(url: string, namespace: string): Login | undefined {
    const found = this.#secretFor(url, namespace);
    return found && { username: secretText(found, 'username'), secret: secretText(found, 'password') };
  }

  #secretFor(url: string, namespace: string): Secret | undefined {
    const isSsh = sshHost(url) !== undefined;
    const hasLogin = (secret: Secret): boolean =>
      secretText(secret, isSsh ? 'sshPrivateKey' : 'password') !== '';
    const fits = (secret: Secret): boolean =>
      secret.metadata.namespace === namespace || CONTROL_NAMESPACES.includes(secret.metadata.namespace ?? '');
    const exact = this.#secrets
      .byIndex(BY_TYPE, 'repository')
      .find((secret) => fits(secret) && plain(secretText(secret, 'url')) === plain(url) && hasLogin(secret));
    const begun = this.#secrets
      .byIndex(BY_TYPE, 'repo-creds')
      .filter((secret) => fits(secret) && hasLogin(secret) && begins(url, secretText(secret, 'url')))
      .sort((a, b) => secretText(b, 'url').length - secretText(a, 'url').length);
    return exact ?? begun[0];
  }
}

export function plain(url: string): string {
  return url
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .toLowerCase();
}

/** "https://host/team" is the beginning of "https://host/team/app", and not of "https://host/team-2/app". */
function begins(url: string, prefix: string): boolean {
  const [given, start] = [asUrl(url), asUrl(prefix)];
  if (prefix === '' || !URL.canParse(start) || !URL.canParse(given)) return false;
  const [a, b] = [new URL(given), new URL(start)];
  if (a.protocol !== b.protocol || a.host !== b.host) return false;
  const path = b.pathname.replace(/\/+$/, '').replace(/\.git$/, '');
  const own = a.pathname.replace(/\.git$/, '');
  return own === path || own.startsWith(`${path}/`);
}

/** "git@host:path" is another way to write "ssh://git@host/path". */
function asUrl(url: string): string {
  const short = /^([\w.-]+@[\w.-]+):(?!\/\/)(.*)$/.exec(url);
  return short === null ? url : `ssh://${short[1]}/${short[2]}`;
}
