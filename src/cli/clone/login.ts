import { readFile } from 'node:fs/promises';
import { connectProvider, type Credentials, type ProviderName, type ScmProvider } from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import type { Clone } from './clone.ts';

export interface RepositoryLogin {
  provider: ProviderName;
  url: URL;
  credentials: Credentials;
  /** What git is given to send along, where it does not find a login by itself. */
  header: string | undefined;
}

const ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const HOSTS: Readonly<Record<string, ProviderName>> = {
  'github.com': 'github',
  'gitlab.com': 'gitlab',
  'bitbucket.org': 'bitbucket-cloud',
};

/** What kind of provider an address belongs to, as far as it tells. */
function providerOf(url: string): ProviderName | undefined {
  if (!URL.canParse(url)) return undefined;
  const { host, pathname } = new URL(url);
  return pathname.startsWith('/dispatch/git/') ? 'dispatch' : HOSTS[host];
}

/** The login for a clone's origin: the account that this runs as, a token of the environment, or what git finds. */
export async function loginFor(
  env: Readonly<Record<string, string | undefined>>,
  clone: Clone,
  asked: ProviderName | undefined,
): Promise<RepositoryLogin> {
  const text = (await clone.git('remote', 'get-url', 'origin')).trim();
  const named = asked ?? providerOf(text);
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new UserError(
      `${text} is no address that a pull request can be opened at: the remote origin must be http or https.`,
    );
  const url = new URL(text);
  const isOwn = url.pathname.startsWith('/dispatch/git/');
  // A repository of this server is spoken to in its own way, whatever the Dispatchfile says.
  const provider = isOwn ? 'dispatch' : named;
  if (provider === undefined)
    throw new UserError(`It is not known what ${url.host} is: say so with -scm-provider.`);
  if (provider === 'dispatch') {
    const token =
      env['DISPATCH_TOKEN'] ?? (await readFile(ACCOUNT_TOKEN, 'utf8').catch(() => undefined))?.trim();
    const found = token ?? (await clone.credential(url))?.password;
    if (found === undefined)
      throw new UserError('This runs as no account of the server: give a token in DISPATCH_TOKEN.');
    return {
      provider,
      url,
      credentials: { username: 'dispatch', secret: found },
      header: `Authorization: Bearer ${found}`,
    };
  }
  const found = await clone.credential(url);
  if (found === undefined)
    throw new UserError(
      `There is no login for ${url.host}: log the service account in with "dispatch login ${provider}".`,
    );
  return {
    provider,
    url,
    credentials: { username: found.username, secret: found.password },
    header: undefined,
  };
}

/** What the provider of a clone can do, for whoever is logged in. */
export function apiOf({ provider, url, credentials }: RepositoryLogin): ScmProvider {
  return connectProvider({ name: provider, url: url.origin, endpoint: undefined, credentials, fetch });
}
