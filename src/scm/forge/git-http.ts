import type { IncomingMessage, ServerResponse } from 'node:http';
import { drained } from '../../kube/index.ts';
import type { ForgeRepositories, ForgeRepository } from './repositories.ts';

export type GitAccess = 'read' | 'write';
/** Who may do what: "who" asks for a login; "propose" may push branches of its own, and no other. */
export type AuthorizeGit = (
  header: string | undefined,
  access: GitAccess,
  repository: ForgeRepository,
) => Promise<'yes' | 'propose' | 'no' | 'who'>;

export interface GitHttpOptions {
  repositories: ForgeRepositories;
  authorize: AuthorizeGit;
  /** After a push has been accepted. */
  pushed: (repository: ForgeRepository) => void;
  onError: (error: unknown) => void;
}

const SERVICES = { 'git-upload-pack': 'read', 'git-receive-pack': 'write' } as const;
const HEADER_END = Buffer.from('\r\n\r\n');
const MAX_HEADER = 64 * 1024;

/** Git over HTTP: clones, fetches and pushes of any git client, answered by git's own server program. */
export class GitHttp {
  readonly #options: GitHttpOptions;

  constructor(options: GitHttpOptions) {
    this.#options = options;
  }

  /** `path` is what follows the place where repositories are served: "owner/name.git/info/refs". */
  async handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const found = /^\/?([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(
      path,
    );
    const query = new URL(request.url ?? '/', 'http://localhost').searchParams;
    const service = found?.[3] === 'info/refs' ? query.get('service') : found?.[3];
    const access =
      service === 'git-upload-pack' || service === 'git-receive-pack' ? SERVICES[service] : undefined;
    if (found === null || access === undefined) {
      answer(response, 404, 'There is no such repository.');
      return;
    }
    const repository = { owner: found[1]!, name: found[2]! };
    const verdict = await this.#options.authorize(request.headers.authorization, access, repository);
    if (verdict === 'who') {
      response.setHeader('www-authenticate', 'Basic realm="Dispatch"');
      answer(response, 401, 'Log in with any name and a token of the API as the password.');
      return;
    }
    // Whoever may not see a repository is not told whether it is there.
    const there =
      verdict !== 'no' && (await this.#options.repositories.exists(repository).catch(() => false));
    if (!there) {
      answer(response, 404, 'There is no such repository.');
      return;
    }
    await this.#serve(request, response, { repository, rest: found[3]!, query: query.toString(), verdict });
    if (found[3] === 'git-receive-pack') this.#options.pushed(repository);
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    at: { repository: ForgeRepository; rest: string; query: string; verdict: 'yes' | 'propose' | 'no' },
  ): Promise<void> {
    const { repositories, onError } = this.#options;
    const path = repositories.pathOf(at.repository);
    const { headers } = request;
    const child = repositories.git.spawn(['http-backend'], {
      env: {
        GIT_PROJECT_ROOT: path,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: `/${at.rest}`,
        QUERY_STRING: at.query,
        REQUEST_METHOD: request.method ?? 'GET',
        CONTENT_TYPE: headers['content-type'] ?? '',
        REMOTE_USER: 'dispatch',
        DISPATCH_ACCESS: at.verdict === 'yes' ? 'write' : 'propose',
        ...(headers['content-length'] !== undefined && { CONTENT_LENGTH: headers['content-length'] }),
        ...(headers['content-encoding'] !== undefined && {
          HTTP_CONTENT_ENCODING: headers['content-encoding'],
        }),
        ...(typeof headers['git-protocol'] === 'string' &&
          /^[\w=:]{1,100}$/.test(headers['git-protocol']) && { GIT_PROTOCOL: headers['git-protocol'] }),
      },
    });
    child.on('error', onError);
    child.stderr!.resume();
    child.stdin!.on('error', () => {});
    response.on('close', () => child.kill());
    request.pipe(child.stdin!);
    try {
      await copyAnswer(child.stdout! as unknown as AsyncIterable<Buffer>, response);
      response.end();
    } catch (error) {
      if (!response.destroyed) onError(error);
      response.destroy();
    }
  }
}

/** Reads the head that a CGI program prints, and lets the rest through as it comes. */
async function copyAnswer(source: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    let body = chunk;
    if (head !== undefined) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(HEADER_END);
      if (end < 0 && head.length > MAX_HEADER) throw new Error('git has answered without a head');
      if (end < 0) continue;
      writeHead(response, head.subarray(0, end).toString('latin1'));
      body = head.subarray(end + HEADER_END.length);
      head = undefined;
    }
    if (body.length > 0 && !response.write(body)) await drained(response);
  }
  if (head !== undefined) answer(response, 500, 'The repository could not be served.');
}

function writeHead(response: ServerResponse, text: string): void {
  let status = 200;
  for (const line of text.split('\r\n')) {
    const [name = '', ...value] = line.split(':');
    if (name.toLowerCase() === 'status') status = Number.parseInt(value.join(':'), 10) || 200;
    else if (value.length > 0) response.setHeader(name, value.join(':').trim());
  }
  response.writeHead(status);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`${text}\n`);
}
