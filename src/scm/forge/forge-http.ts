import type { IncomingMessage, ServerResponse } from 'node:http';
import { ScmError } from '../providers/types.ts';
import type { LocalForge } from './changes.ts';
import type { AuthorizeGit } from './git-http.ts';

const MAX_BYTES = 256 * 1024;
const PLACE =
  /^\/?([^/]+)\/([^/]+?)(?:\.git)?\/(?:changes(?:\/(?<number>\d+)(?<verb>\/merge|\/comments)?)?|(?<releases>releases)(?:\/(?<tag>[^/]+))?)$/;

interface Asked {
  method: string;
  repository: string;
  number: number | undefined;
  verb: string | undefined;
  tag: string | undefined;
  query: URLSearchParams;
  text: (key: string) => string;
}

/**
 * Change requests and releases for programs that have a login of git and nothing else: those in pipelines. It is
 * asked as other providers are: find, open, update, comment, merge.
 */
export class ForgeHttp {
  readonly #forge: LocalForge;
  readonly #authorize: AuthorizeGit;

  constructor(forge: LocalForge, authorize: AuthorizeGit) {
    this.#forge = forge;
    this.#authorize = authorize;
  }

  /** Whether a path below the repositories is for it. */
  isFor(path: string): boolean {
    return PLACE.test(path);
  }

  async handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const place = PLACE.exec(path);
    const [, owner = '', name = ''] = place ?? [];
    const { number, verb, releases, tag } = place?.groups ?? {};
    const { method = 'GET' } = request;
    const access = await this.#authorize(request.headers.authorization, method === 'GET' ? 'read' : 'write', {
      owner,
      name,
    });
    if (access === 'who') return answer(response, 401, { message: 'log in with a token of the API' });
    const isProposal = verb !== '/merge' && (method === 'GET' || releases === undefined);
    const mayDo = access === 'yes' || (access === 'propose' && isProposal);
    if (!mayDo) return answer(response, 404, { message: 'there is no such repository' });
    try {
      const body = await readJson(request);
      const asked: Asked = {
        method,
        repository: `${owner}/${name}`,
        number: number === undefined ? undefined : Number(number),
        verb,
        tag: tag === undefined ? undefined : decoded(tag),
        query: new URL(request.url ?? '/', 'http://localhost').searchParams,
        text: (key) => (typeof body[key] === 'string' ? body[key] : ''),
      };
      const value = await (releases === undefined ? this.#change(asked) : this.#release(asked));
      answer(response, value === undefined ? 404 : 200, value ?? { message: 'there is nothing here' });
    } catch (error) {
      if (!(error instanceof ScmError)) throw error;
      answer(response, error.status, { message: error.message });
    }
  }

  async #release({ method, repository, tag, text }: Asked): Promise<object | undefined> {
    const forge = this.#forge;
    const words = { title: text('title'), notes: text('notes') };
    if (tag === undefined)
      return method === 'POST'
        ? forge.createRelease(repository, { tag: text('tag'), commit: text('commit'), ...words })
        : { items: await forge.releases(repository) };
    return method === 'PATCH'
      ? forge.updateRelease(repository, tag, words)
      : forge.findRelease(repository, tag);
  }

  async #change({ method, repository, number, verb, query, text }: Asked): Promise<object | undefined> {
    const forge = this.#forge;
    if (number === undefined) {
      if (method === 'GET') {
        const branches = { source: query.get('source') ?? '', target: query.get('target') ?? '' };
        const found = await forge.findPullRequest(repository, branches);
        return { items: found === undefined ? [] : [found] };
      }
      const proposal = {
        source: text('source'),
        target: text('target') || (await forge.defaultBranch(repository)),
      };
      return forge.openPullRequest(repository, { ...proposal, title: text('title'), body: text('body') });
    }
    if (verb === '/merge') await forge.mergePullRequest(repository, number);
    else if (verb === '/comments') await forge.comment(repository, number, text('text'));
    else if (method === 'PATCH')
      await forge.updatePullRequest(repository, number, { title: text('title'), body: text('body') });
    else return forge.pullRequest(repository, number);
    return {};
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ScmError('the address is not well formed', 400);
  }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BYTES) throw new ScmError('the request is too large', 413);
    chunks.push(chunk as Buffer);
  }
  if (size === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Told below, as for everything else that is no object.
  }
  throw new ScmError('the request is no JSON object', 400);
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
