import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Application } from '../../src/gitops/index.ts';
import type { Dispatch } from './dispatch.ts';
import { eventually } from './pods.ts';

const AUTHOR = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];

/** A repository of a server, with a clone to commit from, and applications that use it. */
export class GitopsRepo {
  readonly #dispatch: Dispatch;
  readonly #dir: string;
  readonly url: string;
  /** Of the server's administrator. */
  readonly token: string;

  private constructor(dispatch: Dispatch, dir: string, { url, token }: { url: string; token: string }) {
    this.#dispatch = dispatch;
    this.#dir = dir;
    this.url = url;
    this.token = token;
  }

  static async create(dispatch: Dispatch, name: string, ...flags: string[]): Promise<GitopsRepo> {
    const { code, stdout, stderr } = await dispatch.run('git', 'create', name, ...flags);
    if (code !== 0) throw new Error(stderr);
    const dir = mkdtempSync(join(dispatch.home, 'clone-'));
    const kubeconfig = readFileSync(join(dispatch.dataDir, 'kubeconfig'), 'utf8');
    const token = /token: (\S+)/.exec(kubeconfig)?.[1] ?? '';
    const repo = new GitopsRepo(dispatch, dir, { url: stdout.trim(), token });
    repo.git('init', '--quiet', '--initial-branch=main');
    repo.git('config', 'http.extraHeader', `Authorization: Bearer ${token}`);
    repo.git('remote', 'add', 'origin', repo.url);
    return repo;
  }

  git(...args: string[]): string {
    return execFileSync('git', [...AUTHOR, ...args], { cwd: this.#dir, stdio: ['ignore', 'pipe', 'pipe'] })
      .toString()
      .trim();
  }

  /** Commits files and pushes them; undefined takes a file away. */
  push(files: Record<string, string | undefined>, branch = 'main'): string {
    for (const [path, text] of Object.entries(files)) {
      const place = join(this.#dir, path);
      mkdirSync(dirname(place), { recursive: true });
      if (text === undefined) rmSync(place, { recursive: true });
      else writeFileSync(place, text);
    }
    this.git('add', '--all');
    this.git('commit', '--quiet', '--allow-empty', '--message', 'a change');
    this.git('push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`);
    return this.git('rev-parse', 'HEAD');
  }

  /** The server was started again, and answers on another port. */
  async follow(): Promise<void> {
    const { http } = await this.#dispatch.file();
    this.git('remote', 'set-url', 'origin', `${http}${new URL(this.url).pathname}`);
  }

  pull(): void {
    this.git('pull', '--quiet', '--rebase', 'origin', 'main');
  }

  get dir(): string {
    return this.#dir;
  }

  /** Applies an application of this repository. */
  async application(name: string, spec: string, metadata = ''): Promise<void> {
    await this.#dispatch.apply(`apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: ${name}
  namespace: default
  finalizers: [resources-finalizer.argocd.argoproj.io]
${metadata}
spec:
  project: default
${spec}
`);
  }
}

export async function application(dispatch: Dispatch, name: string): Promise<Application> {
  return JSON.parse(await dispatch.ok('get', 'application', name, '-o', 'json')) as Application;
}

/** Waits until an application says something of itself. */
export function untilApplication(
  dispatch: Dispatch,
  name: string,
  check: (app: Application) => void,
): Promise<Application> {
  return eventually(async () => {
    const app = await application(dispatch, name);
    check(app);
    return app;
  });
}
