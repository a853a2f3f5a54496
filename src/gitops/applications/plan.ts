import type { Logger } from '../../kube/index.ts';
import type { PullRequest, Source } from '../../scm/index.ts';
import { type Application, NOTES, sourcesOf } from '../resources.ts';
import type { RepositoryCredentials } from '../sources/credentials.ts';
import { type ApplicationReconciler, problemOf } from './application.reconcile.ts';
import { differencesOf, type ObjectDifference, showDifference } from './inspect.ts';

export interface PlanParts {
  reconciler: ApplicationReconciler;
  credentials: RepositoryCredentials;
  publicUrl: () => string;
  log: Logger;
}

const MAX_TEXT = 30_000;

/** Tells a pull request what it would change on the clusters of the applications that follow its branch. */
export class Planner {
  readonly #parts: PlanParts;
  /** The same commit is planned once. */
  readonly #done = new Set<string>();

  constructor(parts: PlanParts) {
    this.#parts = parts;
  }

  async plan(apps: readonly Application[], request: PullRequest): Promise<void> {
    // What strangers propose tells nothing of what lives on a cluster.
    if (request.isFork) return;
    for (const app of apps) {
      const key = `${app.metadata.uid}/${request.number}/${request.commit}`;
      if (this.#done.has(key)) continue;
      this.#done.add(key);
      await this.#one(app, request).catch((error: unknown) => {
        this.#done.delete(key);
        this.#parts.log.warn({ err: error, application: app.metadata.name }, 'a plan could not be told');
      });
    }
  }

  async #one(app: Application, request: PullRequest): Promise<void> {
    const { credentials, publicUrl, reconciler } = this.#parts;
    const [first] = sourcesOf(app);
    const { namespace = '', name = '', annotations } = app.metadata;
    if (first === undefined || sourcesOf(app).length !== 1) return;
    const source = await credentials.source(first.repoURL, {
      namespace,
      account: annotations?.[NOTES.account],
    });
    if (source.api === undefined || !(await follows(source, first.targetRevision, request.target))) return;
    const context = `dispatch/plan/${name}`;
    const url = `${publicUrl()}/dispatch/applications/${namespace}/${name}`;
    const tell = (state: 'running' | 'success' | 'failure', description: string): Promise<void> =>
      source.api!.setStatus(source.fullName, request.commit, { context, state, description, url });
    await tell('running', 'The difference is being worked out');
    try {
      const differences = await differencesOf(reconciler, app, [request.commit]);
      await tell('success', summaryOf(differences));
      if (differences.length > 0)
        await source.api.comment(source.fullName, request.number, textOf(app, differences));
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      await tell('failure', problem.message);
    }
  }
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
