import { type KubeClient, type Logger, unlessGone } from '../../kube/index.ts';
import type { PullRequest, Source } from '../../scm/index.ts';
import { type Application, APPLICATIONS, NOTES, sourcesOf } from '../resources.ts';
import type { RepositoryCredentials } from '../sources/credentials.ts';
import { type ApplicationReconciler, problemOf } from './application.reconcile.ts';
import { differencesOf, type ObjectDifference, showDifference } from './inspect.ts';

export interface PlanParts {
  client: KubeClient;
  reconciler: ApplicationReconciler;
  credentials: RepositoryCredentials;
  publicUrl: () => string;
  log: Logger;
}

const MAX_TEXT = 30_000;
/** Notes of an application, by numbers of pull requests: commits whose plans were not told yet, or as a comment alone. */
const OPEN = 'plan.dispatch.dev/';
const COMMENTED = ' commented';
const RETRY_MS = 5000;
const MAX_RETRY_MS = 86_400_000;

/** Tells a pull request what it would change on the clusters of the applications that follow its branch. */
export class Planner {
  readonly #parts: PlanParts;
  /** The same commit is planned once. */
  readonly #done = new Set<string>();
  /** What has its comment, and not its check yet. */
  readonly #commented = new Set<string>();
  /** Of each pull request the newest commit that was asked about. */
  readonly #newest = new Map<string, string>();

  constructor(parts: PlanParts) {
    this.#parts = parts;
  }

  /** Takes a pull request up. It is written down, so that it is told whatever happens to this server. */
  async order(apps: readonly Application[], request: PullRequest): Promise<void> {
    // What strangers propose tells nothing of what lives on a cluster.
    if (request.isFork) return;
    const open = apps.filter(({ metadata }) => !this.#done.has(keyOf(metadata.uid, request)));
    await Promise.all(open.map((app) => this.#mark(app, request.number, request.commit)));
    void this.#planAll(open, request);
  }

  /** Takes up what a server before this one had not told yet. */
  async resume(apps: readonly Application[]): Promise<void> {
    for (const app of apps)
      for (const [note, value] of Object.entries(app.metadata.annotations ?? {})) {
        if (!note.startsWith(OPEN)) continue;
        const number = Number(note.slice(OPEN.length));
        try {
          const source = await this.#sourceOf(app);
          const request = await source?.api?.pullRequest(source.fullName, number);
          if (request !== undefined && value === `${request.commit}${COMMENTED}`)
            this.#commented.add(keyOf(app.metadata.uid, request));
          if (request !== undefined && !request.isFork) await this.#planAll([app], request);
          else await this.#mark(app, number, null);
        } catch (error) {
          const { log } = this.#parts;
          log.warn({ err: error, application: app.metadata.name }, 'a plan of before could not be told');
        }
      }
  }

  async #planAll(apps: readonly Application[], request: PullRequest, pauseMs = RETRY_MS): Promise<void> {
    for (const app of apps) {
      const key = keyOf(app.metadata.uid, request);
      if (this.#done.has(key)) continue;
      this.#done.add(key);
      this.#newest.set(placeOf(app, request), request.commit);
      try {
        await this.#one(app, request);
        await this.#note(app, request, null);
        this.#commented.delete(key);
      } catch (error) {
        this.#parts.log.warn({ err: error, application: app.metadata.name }, 'a plan could not be told');
        this.#done.delete(key);
        if (pauseMs <= MAX_RETRY_MS)
          setTimeout(() => void this.#again(app, request, pauseMs), pauseMs).unref();
      }
    }
  }

  /** A provider that was down hears of it later, unless there is something newer to hear of by then. */
  async #again(planned: Application, request: PullRequest, pauseMs: number): Promise<void> {
    const { namespace = '', name = '', uid } = planned.metadata;
    if (!this.#isNewest(planned, request)) return;
    const { client } = this.#parts;
    const app = await client.get<Application>(APPLICATIONS, namespace, name).catch(() => undefined);
    if (app?.metadata.uid === uid) await this.#planAll([app!], request, pauseMs * 2);
  }

  #isNewest(app: Application, request: PullRequest): boolean {
    return this.#newest.get(placeOf(app, request)) === request.commit;
  }

  /** How far it is, unless there is something newer to tell of. */
  async #note(app: Application, request: PullRequest, text: string | null): Promise<void> {
    if (this.#isNewest(app, request)) await this.#mark(app, request.number, text);
  }

  async #mark({ metadata }: Application, number: number, text: string | null): Promise<void> {
    const { namespace = '', name = '' } = metadata;
    const patch = { metadata: { annotations: { [`${OPEN}${number}`]: text } } };
    await unlessGone(this.#parts.client.patch(APPLICATIONS, { namespace, name }, 'merge', patch));
  }

  async #sourceOf(app: Application): Promise<Source | undefined> {
    const [first, ...others] = sourcesOf(app);
    const { namespace = '', annotations } = app.metadata;
    if (first === undefined || others.length > 0) return undefined;
    return this.#parts.credentials.source(first.repoURL, {
      namespace,
      account: annotations?.[NOTES.account],
    });
  }

  async #one(app: Application, request: PullRequest): Promise<void> {
    const { publicUrl, reconciler } = this.#parts;
    const { namespace = '', name = '' } = app.metadata;
    const source = await this.#sourceOf(app);
    const revision = sourcesOf(app)[0]?.targetRevision;
    if (source?.api === undefined || !(await follows(source, revision, request.target))) return;
    const context = `dispatch/plan/${name}`;
    const url = `${publicUrl()}/dispatch/applications/${namespace}/${name}`;
    const tell = (state: 'running' | 'success' | 'failure', description: string): Promise<void> =>
      source.api!.setStatus(source.fullName, request.commit, { context, state, description, url });
    await tell('running', 'The difference is being worked out');
    try {
      const differences = await differencesOf(reconciler, app, [request.commit]);
      if (differences.length > 0) await this.#comment(source, app, { request, differences });
      // Last: whoever sees it finds everything told.
      await tell('success', summaryOf(differences));
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      await tell('failure', problem.message);
    }
  }

  /** Once, where the check after it has to be told again. */
  async #comment(
    { api, fullName }: Source,
    app: Application,
    { request, differences }: { request: PullRequest; differences: readonly ObjectDifference[] },
  ): Promise<void> {
    const key = keyOf(app.metadata.uid, request);
    if (this.#commented.has(key)) return;
    await api?.comment(fullName, request.number, textOf(app, differences));
    this.#commented.add(key);
    await this.#note(app, request, `${request.commit}${COMMENTED}`);
  }
}

function keyOf(uid: string | undefined, { number, commit }: PullRequest): string {
  return `${uid}/${number}/${commit}`;
}

function placeOf({ metadata }: Application, { number }: PullRequest): string {
  return `${metadata.uid}/${number}`;
}

async function follows(source: Source, revision: string | undefined, target: string): Promise<boolean> {
  if (revision === target) return true;
  const isDefault = revision === undefined || revision === '' || revision === 'HEAD';
  return isDefault && (await source.api?.defaultBranch(source.fullName)) === target;
}

function summaryOf(differences: readonly ObjectDifference[]): string {
  if (differences.length === 0) return 'Nothing would change';
  const count = (change: ObjectDifference['change']): number =>
    differences.filter((item) => item.change === change).length;
  return `${count('create')} created, ${count('update')} changed, ${count('delete')} deleted`;
}

function textOf({ metadata, spec }: Application, differences: readonly ObjectDifference[]): string {
  const text = differences.map(showDifference).join('');
  const shown = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…\n` : text;
  const cluster = spec.destination.name ?? spec.destination.server ?? '';
  return `What merging this changes for **${metadata.namespace}/${metadata.name}** on ${cluster}: ${summaryOf(differences)}.\n\n\`\`\`\n${shown}\`\`\`\n`;
}
