import { execFileSync } from 'node:child_process';
import type { Double } from './scm-payloads.ts';

interface Kept {
  tag: string;
  title: string;
  notes: string;
}

export interface Answer {
  status?: number;
  value: unknown;
  headers?: Record<string, string>;
}

const PAGE = 2;

/** Releases as each provider spells them, with their tags in git. Lists come in pages of two. */
export class DoubleReleases {
  readonly kept: Kept[] = [];
  readonly #name: Double;
  readonly #dir: string;
  readonly #url: () => string;

  constructor(name: Double, dir: string, url: () => string) {
    this.#name = name;
    this.#dir = dir;
    this.#url = url;
  }

  answer(
    method: string,
    path: string,
    { query, body }: { query: URLSearchParams; body: Record<string, unknown> },
  ): Answer | undefined {
    const found =
      /^(.*\/(?:releases|refs\/tags|tags))(?:\/(?:tags\/)?([^/]+))?$/.exec(path) ??
      /^()\/projects\/[^/]+\/repos\/[^/]+\/tags(?:\/([^/]+))?$/.exec(path);
    if (found === null) return undefined;
    const tag = found[2] === undefined ? undefined : decodeURIComponent(found[2]);
    if (tag === undefined) return method === 'POST' ? this.#make(body) : this.#page(query);
    const at = this.kept.findIndex((item, index) => item.tag === tag || String(index + 1) === tag);
    const kept = this.kept[at];
    if (kept === undefined) return { status: 404, value: { message: 'Not Found' } };
    if (method === 'PATCH' || method === 'PUT') {
      if (this.#name.startsWith('bitbucket')) return { status: 405, value: {} };
      kept.title = String(body['name']);
      kept.notes = String(body['body'] ?? body['description']);
    }
    return { value: this.#shown(kept) };
  }

  #make(body: Record<string, unknown>): Answer {
    const text = (key: string): string => String(body[key] ?? '');
    const commit =
      text('target_commitish') ||
      text('ref') ||
      text('startPoint') ||
      ((body['target'] as { hash?: string } | undefined)?.hash ?? '');
    const tag = text('tag_name') || text('name');
    const isTag = this.#name.startsWith('bitbucket');
    const [first = '', ...rest] = text('message').split('\n');
    const kept = isTag
      ? { tag, title: first, notes: rest.join('\n').trim() }
      : { tag, title: text('name'), notes: text('body') || text('description') };
    if (this.#commitOf(tag) === undefined) this.#git('tag', tag, commit);
    this.kept.push(kept);
    return { status: 201, value: this.#shown(kept) };
  }

  /** The newest first, and where the next page is, as the provider says it. */
  #page(query: URLSearchParams): Answer {
    const start = Number(query.get('start') ?? query.get('page') ?? 0);
    const items = [...this.kept].reverse();
    const page = items.slice(start, start + PAGE).map((kept) => this.#shown(kept));
    const isLast = start + PAGE >= items.length;
    switch (this.#name) {
      case 'bitbucket-server':
        return { value: { values: page, isLastPage: isLast, nextPageStart: start + PAGE } };
      case 'bitbucket-cloud':
        return { value: { values: page, ...(!isLast && { next: `?page=${start + PAGE}` }) } };
      default:
        return {
          value: page,
          headers: isLast ? {} : { link: `<?page=${start + PAGE}>; rel="next"` },
        };
    }
  }

  #shown({ tag, title, notes }: Kept): unknown {
    const commit = this.#commitOf(tag) ?? '';
    const url = this.urlOf(tag);
    switch (this.#name) {
      case 'gitlab':
        return {
          tag_name: tag,
          name: title,
          description: notes,
          commit: { id: commit },
          _links: { self: url },
        };
      case 'bitbucket-cloud':
        return {
          name: tag,
          message: `${title}\n\n${notes}\n`,
          target: { hash: commit },
          links: { html: { href: url } },
        };
      case 'bitbucket-server':
        return { id: `refs/tags/${tag}`, displayId: tag, latestCommit: commit };
      default: {
        const id = this.kept.findIndex((item) => item.tag === tag) + 1;
        return { id, tag_name: tag, name: title, body: notes, target_commitish: commit, html_url: url };
      }
    }
  }

  urlOf(tag: string): string {
    return this.#name === 'bitbucket-server'
      ? `${this.#url()}/projects/team/repos/app/commits?until=refs%2Ftags%2F${tag}`
      : `${this.#url()}/team/app/releases/${tag}`;
  }

  #commitOf(tag: string): string | undefined {
    try {
      return this.#git('rev-parse', '--verify', '--quiet', `refs/tags/${tag}^{commit}`);
    } catch {
      return undefined;
    }
  }

  #git(...args: string[]): string {
    return execFileSync('git', ['--git-dir', this.#dir, ...args])
      .toString()
      .trim();
  }
}
