import {
  Controller,
  DONE,
  type Informer,
  isApiError,
  type Outcome,
  type Request,
  type ResourceRef,
  type Secret,
  SECRETS,
  durationMs,
  timestamp,
  unlessGone,
  withCondition,
} from '../../kube/index.ts';
import { forgeName } from '../../scm/index.ts';
import type { GitopsContext } from '../context.ts';
import { plain } from '../sources/credentials.ts';
import { handled, isRequested } from './requests.ts';
import type { SourceObject } from './resources.ts';
import type { FluxSources } from './sources.ts';

const INTERVAL_MS = 60_000;
const RETRY_MS = 10_000;

/** Looks at sources as often as they ask for, and tells what they are at. */
export class SourceController {
  readonly #context: GitopsContext;
  readonly #resource: ResourceRef;
  readonly #sources: FluxSources;
  readonly #objects: Informer<SourceObject>;
  readonly #controller: Controller;

  constructor(context: GitopsContext, resource: ResourceRef, sources: FluxSources) {
    this.#context = context;
    this.#resource = resource;
    this.#sources = sources;
    this.#objects = context.informers.for<SourceObject>(resource);
    this.#controller = new Controller({
      name: resource.plural,
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    })
      .forSpecOf(this.#objects)
      // A login that was mended is tried at once.
      .watches(context.informers.for<Secret>(SECRETS), ({ metadata: secret }) =>
        this.#objects
          .list()
          .filter(({ metadata, spec }) => {
            const named = [spec.secretRef?.name, spec.certSecretRef?.name];
            return metadata.namespace === secret.namespace && named.includes(secret.name);
          })
          .map(({ metadata }) => ({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' })),
      );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  /** Something was pushed to a repository. */
  refresh(url: string): void {
    const key = (text: string): string => {
      const local = forgeName(this.#context, text);
      return local === undefined ? plain(text) : `${local.owner}/${local.name}`;
    };
    for (const { metadata, spec } of this.#objects.list())
      if (spec.url !== undefined && key(spec.url) === key(url))
        this.#controller.queue.add(`${metadata.namespace}/${metadata.name}`);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const source = this.#objects.get(namespace, name);
    if (source === undefined) this.#sources.forget({ metadata: { namespace, name } });
    if (source === undefined || source.metadata.deletionTimestamp !== undefined || source.spec.suspend)
      return DONE;
    const intervalMs = durationMs(source.spec.interval ?? '') ?? INTERVAL_MS;
    try {
      if (isRequested(source)) await this.#sources.askAgain(source);
      const revision = await this.#revision(source);
      await this.#report(source, {
        isReady: true,
        reason: 'Succeeded',
        message: `stored artifact for revision '${revision}'`,
        revision,
      });
      return { result: 'requeueAfter', ms: intervalMs };
    } catch (error) {
      if (isApiError(error)) throw error;
      await this.#report(source, { isReady: false, reason: 'Failed', message: (error as Error).message });
      return { result: 'requeueAfter', ms: Math.min(intervalMs, RETRY_MS) };
    }
  }

  async #revision(source: SourceObject): Promise<string> {
    switch (source.kind) {
      case 'GitRepository':
        return (await this.#sources.gitRevision(source)).revision;
      case 'OCIRepository':
        return (await this.#sources.files(source)).revision;
      case 'Bucket':
        this.#sources.forget(source);
        return (await this.#sources.list(source)).revision;
      case 'HelmChart': {
        const { chart = '', version = '*', sourceRef } = source.spec;
        const from = this.#sources.find(sourceRef!, source.metadata.namespace ?? '');
        return from.kind === 'GitRepository'
          ? (await this.#sources.gitRevision(from)).revision
          : (await this.#sources.chart(from, { name: chart, version })).version;
      }
      default:
        // What a repository of charts has is asked for chart by chart.
        return 'index';
    }
  }

  async #report(
    source: SourceObject,
    {
      isReady,
      reason,
      message,
      revision,
    }: { isReady: boolean; reason: string; message: string; revision?: string },
  ): Promise<void> {
    const { namespace = '', name = '', generation = 1 } = source.metadata;
    const now = this.#context.now();
    const known = source.status?.artifact;
    const status = {
      observedGeneration: generation,
      ...handled(source),
      conditions: withCondition(
        source.status?.conditions,
        {
          type: 'Ready',
          status: isReady ? 'True' : 'False',
          reason,
          message,
          observedGeneration: generation,
        },
        now,
      ),
      ...(revision !== undefined && {
        artifact: known?.revision === revision ? known : { revision, lastUpdateTime: timestamp(now) },
      }),
    };
    if (JSON.stringify({ ...source.status, ...status }) === JSON.stringify(source.status)) return;
    await unlessGone(
      this.#context.client.patch(
        this.#resource,
        { namespace, name },
        'merge',
        { status },
        { subresource: 'status' },
      ),
    );
  }
}
