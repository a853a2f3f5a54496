import { ApiClient, basic } from './api-client.ts';
import { BitbucketCloud } from './bitbucket-cloud.ts';
import { BitbucketServer } from './bitbucket-server.ts';
import { DispatchForge } from './dispatch.ts';
import { GitHubLike } from './github.ts';
import { GitLab } from './gitlab.ts';
import { type Credentials, type ProviderName, ScmError, type ScmProvider } from './types.ts';

export interface ProviderOptions {
  name: ProviderName;
  /** The web address of the provider, for those on premises. */
  url: string | undefined;
  /** The address of its API, where that is another. */
  endpoint: string | undefined;
  credentials: Credentials;
  fetch: typeof fetch;
}

const HOMES: Partial<Record<ProviderName, string>> = {
  github: 'https://github.com',
  gitlab: 'https://gitlab.com',
  'bitbucket-cloud': 'https://bitbucket.org',
};

/** Where a provider is found. */
export function homeOf(name: ProviderName, url: string | undefined): string {
  const home = url ?? HOMES[name];
  if (home === undefined) throw new ScmError(`${name} has no address of its own: give its URL`, 400);
  return home.replace(/\/$/, '');
}

export function connectProvider(options: ProviderOptions): ScmProvider {
  const { name, credentials, fetch: send } = options;
  const home = homeOf(name, options.url);
  const client = (base: string, headers: Record<string, string>): ApiClient =>
    new ApiClient({ base: new URL(options.endpoint ?? base), headers, fetch: send });
  const { username, secret } = credentials;
  switch (name) {
    case 'github':
      return new GitHubLike(
        name,
        client(home === HOMES.github ? 'https://api.github.com' : `${home}/api/v3`, {
          authorization: `Bearer ${secret}`,
          accept: 'application/vnd.github+json',
        }),
      );
    case 'gitea':
      return new GitHubLike(name, client(`${home}/api/v1`, { authorization: `token ${secret}` }));
    case 'gitlab':
      return new GitLab(client(`${home}/api/v4`, { 'private-token': secret }));
    case 'bitbucket-cloud':
      return new BitbucketCloud(
        client(home === HOMES['bitbucket-cloud'] ? 'https://api.bitbucket.org/2.0' : `${home}/2.0`, {
          authorization: basic(username, secret),
        }),
      );
    case 'bitbucket-server':
      return new BitbucketServer(client(home, { authorization: basic(username, secret) }), {
        username,
        home,
      });
    case 'dispatch':
      return new DispatchForge(client(home, { authorization: `Bearer ${secret}` }));
  }
}

/** "owner/name" of a clone URL, as the provider calls the repository. */
export function repositoryOf(url: string): string | undefined {
  const path = URL.canParse(url) ? new URL(url).pathname : /^[\w.-]+@[\w.-]+:(.+)$/.exec(url)?.[1];
  const parts = path
    ?.replace(/^\/(?:dispatch\/git\/|scm\/)?/, '')
    .replace(/\.git$/, '')
    .replace(/\/$/, '')
    .split('/')
    .filter((part) => part !== '');
  return parts === undefined || parts.length < 2 ? undefined : parts.join('/');
}
