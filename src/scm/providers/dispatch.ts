import type { ApiClient } from './api-client.ts';
import {
  type Hook,
  type OpenPullRequest,
  type Proposal,
  type PullRequest,
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
    this.#api.call('GET', at(repository, number));

  findPullRequest = async (
    repository: string,
    branches: { source: string; target: string },
  ): Promise<OpenPullRequest | undefined> => {
    const query = new URLSearchParams(branches);
    const { items } = await this.#api.call<{ items: OpenPullRequest[] }>('GET', `${at(repository)}?${query}`);
    return items[0];
  };

  openPullRequest = (repository: string, proposal: Proposal): Promise<OpenPullRequest> =>
    this.#api.call('POST', at(repository), proposal);

  updatePullRequest = async (
    repository: string,
    number: number,
    text: { title: string; body: string },
  ): Promise<void> => {
    await this.#api.call('PATCH', at(repository, number), text);
  };

  mergePullRequest = async (repository: string, number: number): Promise<void> => {
    await this.#api.call('POST', `${at(repository, number)}/merge`, {});
  };

  comment = async (repository: string, number: number, text: string): Promise<void> => {
    await this.#api.call('POST', `${at(repository, number)}/comments`, { text });
  };

  mayWrite = async (): Promise<boolean> => unsupported();
  setStatus = async (): Promise<void> => unsupported();
  listHooks = async (): Promise<Hook[]> => [];
  createHook = async (): Promise<Hook> => unsupported();
  deleteHook = async (): Promise<void> => {};
}

function at(repository: string, number?: number): string {
  const [owner = '', name = ''] = repository.split('/');
  const place = `/dispatch/git/${encodeURIComponent(owner)}/${encodeURIComponent(name)}.git/changes`;
  return number === undefined ? place : `${place}/${number}`;
}

function unsupported(): never {
  throw new ScmError('this is done by the server itself', 400);
}
