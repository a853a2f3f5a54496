import type { KubeClient, KubeObject, ResourceRef } from '../../kube/index.ts';
import { isApiError } from '../../kube/index.ts';
import { RunProblem } from '../params.ts';
import { PIPELINES, STEP_ACTIONS, TASKS } from '../resources.ts';
import type { ParamValue, Provenance, ResolverRef } from '../types.ts';

export interface Resolved<T extends KubeObject> {
  object: T;
  provenance: Provenance | undefined;
}

/** Fetches what a reference names from somewhere else: git, a URL, an image. */
export type RemoteResolver = (
  params: Record<string, ParamValue>,
  context: { namespace: string; signal: AbortSignal },
) => Promise<{ text: string; provenance: Provenance }>;

export type RemoteResolvers = Readonly<Record<string, RemoteResolver>>;

const KINDS: Record<string, { resource: ResourceRef; reason: string }> = {
  Pipeline: { resource: PIPELINES, reason: 'CouldntGetPipeline' },
  Task: { resource: TASKS, reason: 'CouldntGetTask' },
  StepAction: { resource: STEP_ACTIONS, reason: 'CouldntGetStepAction' },
};

/** A bundle as references of v1beta1 name it. */
function bundleOf(kind: string, { bundle = '', name = '' }: ResolverRef & { name?: string }): ResolverRef {
  const params = { bundle, name, kind: kind.toLowerCase() };
  return {
    resolver: 'bundles',
    params: Object.entries(params).map(([key, value]) => ({ name: key, value })),
  };
}

/** Finds pipelines, tasks and step actions by name in their namespace, or through a resolver. */
export class References {
  readonly #client: KubeClient;
  readonly #remote: RemoteResolvers;
  readonly #parse: (text: string) => unknown;

  constructor(client: KubeClient, remote: RemoteResolvers, parse: (text: string) => unknown) {
    this.#client = client;
    this.#remote = remote;
    this.#parse = parse;
  }

  async get<T extends KubeObject>(
    kind: 'Pipeline' | 'Task' | 'StepAction',
    ref: ResolverRef & { name?: string },
    at: { namespace: string; signal: AbortSignal },
  ): Promise<Resolved<T>> {
    const { resource, reason } = KINDS[kind]!;
    if (ref.bundle !== undefined) return this.get(kind, bundleOf(kind, ref), at);
    if (ref.resolver === undefined || ref.resolver === '')
      return {
        object: await this.#named<T>(resource, ref.name ?? '', at.namespace, reason),
        provenance: undefined,
      };
    const params = Object.fromEntries((ref.params ?? []).map((param) => [param.name, param.value]));
    if (ref.resolver === 'cluster') {
      const [name, namespace] = [String(params['name'] ?? ''), String(params['namespace'] ?? at.namespace)];
      return { object: await this.#named<T>(resource, name, namespace, reason), provenance: undefined };
    }
    const remote = Object.hasOwn(this.#remote, ref.resolver) ? this.#remote[ref.resolver] : undefined;
    if (remote === undefined)
      throw new RunProblem(
        reason,
        `there is no resolver ${JSON.stringify(ref.resolver)}: known are cluster, ${Object.keys(this.#remote).join(', ')}`,
      );
    try {
      const { text, provenance } = await remote(params, at);
      const object = this.#parse(text) as T | undefined;
      if (object?.kind !== kind) throw new Error(`it holds a ${String(object?.kind)}, not a ${kind}`);
      return { object, provenance };
    } catch (error) {
      throw new RunProblem(reason, `error requesting remote resource: ${(error as Error).message}`);
    }
  }

  async #named<T extends KubeObject>(
    resource: ResourceRef,
    name: string,
    namespace: string,
    reason: string,
  ): Promise<T> {
    try {
      return await this.#client.get<T>(resource, namespace, name);
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
      throw new RunProblem(
        reason,
        `error when listing ${resource.plural} for run: ${resource.plural}.tekton.dev "${name}" not found`,
      );
    }
  }
}
