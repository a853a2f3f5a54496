import type { ApiClient } from './api-client.ts';
import {
  type Hook,
  type NewRelease,
  type OpenPullRequest,
  type Proposal,
  type PullRequest,
  type Release,
  ScmError,
  type ScmProvider,
} from './types.ts';

/** The repositories of a Dispatch server, from outside: what programs in pipelines need of them. */
export class DispatchForge implements ScmProvider {
  readonly name = 'dispatch';
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  whoAmI = async (): Promise<string> => 'dispatch';

  defaultBranch = async (): Promise<string> => unsupported();

  pullRequest = (repository: string, number: number): Promise<PullRequest> =>
    this.#api.call('GET', change(repository, number));

  findPullRequest = async (
    repository: string,
    branches: { source: string; target: string },
  ): Promise<OpenPullRequest | undefined> => {
    const query = new URLSearchParams(branches);
    const { items } = await this.#api.call<{ items: OpenPullRequest[] }>(
      'GET',
      `${at(repository, 'changes')}?${query}`,
    );
    return items[0];
  };

  openPullRequest = (repository: string, proposal: Proposal): Promise<OpenPullRequest> =>
    this.#api.call('POST', at(repository, 'changes'), proposal);

  updatePullRequest = async (
    repository: string,
    number: number,
    text: { title: string; body: string },
  ): Promise<void> => {
    await this.#api.call('PATCH', change(repository, number), text);
  };

  mergePullRequest = async (repository: string, number: number): Promise<void> => {
    await this.#api.call('POST', `${change(repository, number)}/merge`, {});
  };

  comment = async (repository: string, number: number, text: string): Promise<void> => {
    await this.#api.call('POST', `${change(repository, number)}/comments`, { text });
  };

  releases = async (repository: string): Promise<Release[]> =>
    (await this.#api.call<{ items: Release[] }>('GET', at(repository, 'releases'))).items;

  findRelease = (repository: string, tag: string): Promise<Release | undefined> =>
    this.#api.find(release(repository, tag));

  createRelease = (repository: string, made: NewRelease): Promise<Release> =>
    this.#api.call('POST', at(repository, 'releases'), made);

  updateRelease = (
    repository: string,
    tag: string,
    text: { title: string; notes: string },
  ): Promise<Release> => this.#api.call('PATCH', release(repository, tag), text);

  mayWrite = async (): Promise<boolean> => unsupported();
  setStatus = async (): Promise<void> => unsupported();
  listHooks = async (): Promise<Hook[]> => [];
  createHook = async (): Promise<Hook> => unsupported();
  deleteHook = async (): Promise<void> => {};
}

function at(repository: string, list: 'changes' | 'releases'): string {
  const [owner = '', name = ''] = repository.split('/');
  return `/dispatch/git/${encodeURIComponent(owner)}/${encodeURIComponent(name)}.git/${list}`;
}

function change(repository: string, number: number): string {
  return `${at(repository, 'changes')}/${number}`;
}

function release(repository: string, tag: string): string {
  return `${at(repository, 'releases')}/${encodeURIComponent(tag)}`;
}

function unsupported(): never {
  throw new ScmError('this is done by the server itself', 400);
}
