import { createHash } from 'node:crypto';
import {
  CONTROLLER_REVISIONS,
  controllerReference,
  type Informer,
  type KubeClient,
  timestamp,
  unlessGone,
} from '../../kube/index.ts';
import {
  API_VERSION,
  type FunctionObject,
  type FunctionTemplate,
  type ResolvedImage,
  type RevisionObject,
} from '../resources.ts';

/** How many a function may go back to. */
export const KEPT = 5;
const TEMPLATE_KEYS = [
  'image',
  'handler',
  'http',
  'cloudEvents',
  'schema',
  'env',
  'timeout',
  'memory',
  'cpu',
  'concurrency',
] as const;

/** The versions of functions, each as an object of its own. */
export class Revisions {
  readonly #client: KubeClient;
  readonly #informer: Informer<RevisionObject>;
  readonly #now: () => number;

  constructor(client: KubeClient, informer: Informer<RevisionObject>, now: () => number) {
    this.#client = client;
    this.#informer = informer;
    this.#now = now;
  }

  /** Newest first. */
  of(fn: FunctionObject): RevisionObject[] {
    return this.#informer
      .list()
      .filter(({ metadata }) =>
        metadata.ownerReferences?.some(({ uid, kind }) => kind === 'Function' && uid === fn.metadata.uid),
      )
      .sort((a, b) => b.revision - a.revision);
  }

  /** The version as it would be kept. */
  make(fn: FunctionObject, source: string | undefined, image: ResolvedImage): RevisionObject {
    const template = templateOf(fn, source);
    const hash = createHash('sha256')
      .update(canonical({ template, digest: image.digest }))
      .digest('hex');
    return {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        name: `${fn.metadata.name}-${hash.slice(0, 8)}`,
        namespace: fn.metadata.namespace ?? '',
        labels: { 'dispatch.dev/function': fn.metadata.name ?? '' },
        ownerReferences: [controllerReference({ ...fn, apiVersion: API_VERSION, kind: 'Function' })],
      },
      data: { template, image, createdAt: timestamp(this.#now()) },
      revision: 0,
    };
  }

  /** Makes it the newest. One that was there before keeps its name and gets a new number. */
  async promote(fn: FunctionObject, wanted: RevisionObject): Promise<RevisionObject> {
    const all = this.of(fn);
    const number = (all[0]?.revision ?? 0) + 1;
    const known = all.find(({ metadata }) => metadata.name === wanted.metadata.name);
    const { namespace = '', name = '' } = wanted.metadata;
    if (known === undefined)
      return this.#client.create(CONTROLLER_REVISIONS, { ...wanted, revision: number });
    return this.#client.patch(CONTROLLER_REVISIONS, { namespace, name }, 'merge', { revision: number });
  }

  /** Removes the oldest, but none that is still called. */
  async prune(fn: FunctionObject, used: ReadonlySet<string>): Promise<void> {
    const surplus = this.of(fn)
      .slice(KEPT)
      .filter(({ metadata }) => !used.has(metadata.name ?? ''));
    for (const { metadata } of surplus)
      await unlessGone(
        this.#client.delete(CONTROLLER_REVISIONS, metadata.namespace ?? '', metadata.name ?? ''),
      );
  }
}

function templateOf({ spec }: FunctionObject, source: string | undefined): FunctionTemplate {
  const template: Record<string, unknown> = {};
  for (const key of TEMPLATE_KEYS) if (spec[key] !== undefined) template[key] = spec[key];
  if (source !== undefined) template['source'] = { digest: source };
  return template as unknown as FunctionTemplate;
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
