import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, DoubleReleases } from './scm-releases.ts';
import { type Delivery, deliveryOf, type Double, pullOf } from './scm-payloads.ts';
import { ForgeRepositories, Git, GitHttp } from '../../src/scm/index.ts';

export type { Double } from './scm-payloads.ts';

interface Told {
  context: string;
  state: string;
}

interface Hook {
  id: string;
  url: string;
  secret: string;
}

const AUTHOR = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];

/** A certificate that nobody but its owner has signed. */
function ownCertificate(): { key: Buffer; cert: Buffer } {
  const dir = mkdtempSync(join(tmpdir(), 'dispatch-certificate-'));
  const [key, cert] = [join(dir, 'key'), join(dir, 'cert')];
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${key} -out ${cert} -days 2 -subj /CN=double -addext subjectAltName=IP:127.0.0.1`.split(
      ' ',
    ),
    { stdio: 'ignore' },
  );
  const made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(dir, { recursive: true });
  return made;
}

/** A provider of repositories: its HTTP interface as it is documented, and the git repositories behind it. */
export class ScmDouble implements AsyncDisposable {
  readonly name: Double;
  readonly token = 'the-token-of-team-1';
  readonly told: Told[] = [];
  readonly hooks: Hook[] = [];
  /** What was said of pull requests. */
  readonly comments: string[] = [];
  /** Answers nothing but errors, as a provider that is down. */
  isDown = false;
  /** How often it has been asked while it was. */
  refused = 0;
  readonly #dir = mkdtempSync(join(tmpdir(), 'dispatch-scm-'));
  readonly #server: Server;
  readonly #git: GitHttp;
  readonly #forge: ForgeRepositories;
  readonly #releases: DoubleReleases;

  /** Its certificate in PEM, where it speaks TLS. */
  readonly certificate: string | undefined;

  private constructor(name: Double, tls: { key: Buffer; cert: Buffer } | undefined) {
    this.certificate = tls?.cert.toString();
    this.name = name;
    this.#forge = new ForgeRepositories(join(this.#dir, 'git'), new Git(process.env['PATH'] ?? ''));
    const dir = this.#forge.pathOf({ owner: 'team', name: 'app' });
    this.#releases = new DoubleReleases(name, dir, () => this.url);
    this.#git = new GitHttp({
      repositories: this.#forge,
      authorize: (header) =>
        Promise.resolve(
          header === `Basic ${Buffer.from(`ada:${this.token}`).toString('base64')}` ? 'yes' : 'who',
        ),
      pushed: () => {},
      onError: () => {},
    });
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response);
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  }

  static async start(name: Double, { tls = false } = {}): Promise<ScmDouble> {
    const double = new ScmDouble(name, tls ? ownCertificate() : undefined);
    await double.#forge.create({ owner: 'team', name: 'app' });
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve));
    return double;
  }

  get url(): string {
    return `http${this.certificate === undefined ? '' : 's'}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get cloneUrl(): string {
    return `${this.url}/${this.name === 'bitbucket-server' ? 'scm/' : ''}team/app.git`;
  }

  /** Commits files to a branch, without telling anybody. */
  commit(files: Record<string, string>, branch = 'main', message = 'a change'): string {
    const work = mkdtempSync(join(this.#dir, 'work-'));
    const git = (...args: string[]): string =>
      execFileSync('git', [...AUTHOR, ...args], { cwd: work, stdio: ['ignore', 'pipe', 'pipe'] })
        .toString()
        .trim();
    const bare = this.#forge.pathOf({ owner: 'team', name: 'app' });
    git('clone', '--quiet', bare, '.');
    try {
      git('checkout', '--quiet', branch);
    } catch {
      git('checkout', '--quiet', '-b', branch);
    }
    for (const [path, text] of Object.entries(files)) writeFileSync(join(work, path), text);
    git('add', '--all');
    git('commit', '--quiet', '--allow-empty', '--message', message);
    git('push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`);
    return git('rev-parse', 'HEAD');
  }

  /** The pull requests that were opened. */
  readonly pulls: { source: string; target: string; title: string; body: string; isMerged: boolean }[] = [];

  pullUrl(number: number): string {
    return `${this.url}/team/app/pull/${number}`;
  }

  fileAt(branch: string, path: string): string {
    const dir = this.#forge.pathOf({ owner: 'team', name: 'app' });
    return execFileSync('git', ['--git-dir', dir, 'show', `${branch}:${path}`]).toString();
  }

  /** Tags what the default branch is at. */
  tag(name: string): void {
    execFileSync('git', [
      '--git-dir',
      this.#forge.pathOf({ owner: 'team', name: 'app' }),
      'tag',
      name,
      'main',
    ]);
  }

  /** Delivers an event as the provider does. */
  async deliver(
    event: 'push' | 'pull' | 'comment',
    data: Delivery,
    change: { secret?: string; unsigned?: boolean } = {},
  ): Promise<number> {
    const hook = this.hooks.at(-1)!;
    const { headers, body } = deliveryOf(this.name, event, data);
    const text = JSON.stringify(body);
    const secret = change.secret ?? hook.secret;
    const signature = createHmac('sha256', secret).update(text).digest('hex');
    const signed = {
      github: { 'x-hub-signature-256': `sha256=${signature}` },
      gitea: { 'x-gitea-signature': signature },
      gitlab: { 'x-gitlab-token': secret },
      'bitbucket-cloud': { 'x-hub-signature': `sha256=${signature}` },
      'bitbucket-server': { 'x-hub-signature': `sha256=${signature}` },
    }[this.name];
    const response = await fetch(hook.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...headers,
        ...(change.unsigned ? {} : (signed as unknown as Record<string, string>)),
      },
      body: text,
    });
    await response.text();
    return response.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', search = ''] = (request.url ?? '').split('?');
    const git = /^\/(?:scm\/)?(team\/app\.git\/.*)$/.exec(path);
    if (git !== null) {
      await this.#git.handle(request, response, git[1]!);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body =
      chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
    const send = (status: number, value: unknown, headers: Record<string, string> = {}): void =>
      void response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    if (this.isDown) {
      this.refused += 1;
      return send(503, { message: 'down' });
    }
    if (!this.#knows(request)) return send(401, { message: 'Bad credentials' });
    const { method = '' } = request;
    const query = new URLSearchParams(search);
    const answer: Answer | undefined =
      this.#api(method, path, body) ?? this.#releases.answer(method, path, { query, body });
    return answer === undefined
      ? send(404, { message: 'Not Found' })
      : send(answer.status ?? 200, answer.value, answer.headers);
  }

  #knows({ headers }: IncomingMessage): boolean {
    const basic = `Basic ${Buffer.from(`ada:${this.token}`).toString('base64')}`;
    return [headers.authorization, headers['private-token']].some(
      (given) =>
        given !== undefined &&
        [basic, `Bearer ${this.token}`, `token ${this.token}`, this.token].includes(String(given)),
    );
  }

  #api(
    method: string,
    path: string,
    body: Record<string, unknown>,
  ): { status?: number; value: unknown } | undefined {
    const rest = path.replace(/^\/(api\/v[134]|2\.0|rest)/, '');
    if (rest === '/user' || /^\/api\/1\.0\/users\/ada$/.test(rest))
      return { value: { login: 'ada', username: 'ada', name: 'ada' } };
    if (/\/hooks$|\/webhooks$/.test(rest))
      return method === 'POST' ? this.#makeHook(body) : { value: this.#listHooks() };
    if (/\/(hooks|webhooks)\/[^/]+$/.test(rest) && method === 'DELETE') {
      this.hooks.splice(
        this.hooks.findIndex((hook) => rest.endsWith(encodeURIComponent(hook.id))),
        1,
      );
      return { value: {} };
    }
    if (method === 'POST' && /statuses|build-status/.test(rest)) {
      const context = String(body['context'] ?? body['name'] ?? body['key']);
      this.told.push({ context, state: String(body['state']) });
      return { status: 201, value: {} };
    }
    if (rest === '/repos/team/app') return { value: { default_branch: 'main' } };
    if (method === 'POST' && /\/7\/(?:comments|notes)$/.test(rest)) {
      this.comments.push(String(body['body'] ?? body['text']));
      return { status: 201, value: {} };
    }
    if (/\/permission$|permissions-config/.test(rest))
      return { value: { permission: /mallory/.test(rest) ? 'read' : 'write' } };
    if (/members\/all$/.test(rest)) return { value: [{ username: 'ada', access_level: 40 }] };
    if (/permissions\/users$/.test(rest))
      return { value: { values: [{ user: { name: 'ada' }, permission: 'REPO_WRITE' }] } };
    const pulls = this.#pulls(method, rest, body);
    if (pulls !== undefined) return pulls;
    if (/\/(pulls|merge_requests|pullrequests|pull-requests)\/7$/.test(rest))
      return { value: pullOf(this.name, this.pull) };
    return undefined;
  }

  /** Opening, finding, changing and merging, as each provider spells it. */
  #pulls(
    method: string,
    path: string,
    body: Record<string, unknown>,
  ): { status?: number; value: unknown } | undefined {
    const found = /\/(?:pulls|merge_requests|pullrequests|pull-requests)(?:\/([1-6]))?(\/merge)?$/.exec(path);
    if (found === null) return undefined;
    const [, number, merges] = found;
    const name = (value: unknown): string => {
      const {
        name: own,
        branch,
        id,
      } = (value ?? {}) as { name?: string; branch?: { name: string }; id?: string };
      return typeof value === 'string'
        ? value
        : (branch?.name ?? own ?? (id ?? '').replace('refs/heads/', ''));
    };
    if (number === undefined && method === 'POST') {
      this.pulls.push({
        source: name(body['head'] ?? body['source_branch'] ?? body['source'] ?? body['fromRef']),
        target: name(body['base'] ?? body['target_branch'] ?? body['destination'] ?? body['toRef']),
        title: String(body['title']),
        body: String(body['body'] ?? body['description'] ?? ''),
        isMerged: false,
      });
      return { status: 201, value: this.#opened(this.pulls.length) };
    }
    if (number === undefined) {
      const open = this.pulls.flatMap(({ isMerged }, at) => (isMerged ? [] : [this.#opened(at + 1)]));
      return { value: this.name.startsWith('bitbucket') ? { values: open } : open };
    }
    const pull = this.pulls[Number(number) - 1];
    if (pull === undefined) return undefined;
    if (merges !== undefined) pull.isMerged = true;
    else if (method !== 'GET') {
      pull.title = String(body['title'] ?? pull.title);
      pull.body = String(body['body'] ?? body['description'] ?? pull.body);
    }
    return { value: this.#opened(Number(number)) };
  }

  #opened(number: number): unknown {
    const { source, target } = this.pulls[number - 1]!;
    const url = this.pullUrl(number);
    return {
      number,
      iid: number,
      id: number,
      version: 3,
      html_url: url,
      web_url: url,
      links: { html: { href: url }, self: [{ href: url }] },
      head: { ref: source },
      base: { ref: target },
      fromRef: { displayId: source },
    };
  }

  /** The pull request that the interface tells of. */
  pull: Delivery = { commit: '', before: '', isFork: true };

  #makeHook(body: Record<string, unknown>): { status: number; value: unknown } {
    const config = (body['config'] ?? body['configuration'] ?? {}) as Record<string, string>;
    const hook = {
      id: `${this.hooks.length + 1}`,
      url: String(body['url'] ?? config['url']),
      secret: String(body['secret'] ?? body['token'] ?? config['secret']),
    };
    this.hooks.push(hook);
    return {
      status: 201,
      value: { id: Number(hook.id), uuid: hook.id, url: hook.url, config: { url: hook.url } },
    };
  }

  #listHooks(): unknown {
    const list = this.hooks.map((hook) => ({
      id: Number(hook.id),
      uuid: hook.id,
      url: hook.url,
      config: { url: hook.url },
    }));
    return this.name.startsWith('bitbucket') ? { values: list, isLastPage: true } : list;
  }
}
