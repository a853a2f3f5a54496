import type { ApiRequest, LocalService, Reply, RequestInfo, Resource } from '../apiserver/index.ts';
import { ApiError, isRecord } from '../kube/index.ts';

export const RUN_GROUP = 'run.dispatch.dev';
export const RUN_VERSION = 'v1alpha1';

/** Some resources of the group of things that are no objects. */
export interface ServicePart {
  /** "pipelineruns", "pipelineruns/log" */
  resources: readonly { name: string; namespaced: boolean; verbs: readonly string[]; kind: string }[];
  handle: (request: ApiRequest, info: RequestInfo) => Promise<Reply | undefined>;
  described?: () => Resource[];
}

/** Everything below run.dispatch.dev: each part answers for its resources. */
export class RunServices implements LocalService {
  readonly group = RUN_GROUP;
  readonly version = RUN_VERSION;
  readonly #parts: readonly ServicePart[];

  constructor(parts: readonly ServicePart[]) {
    this.#parts = parts;
  }

  resources = (): unknown => ({
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${RUN_GROUP}/${RUN_VERSION}`,
    resources: this.#parts.flatMap((part) => part.resources.map((item) => ({ ...item, singularName: '' }))),
  });

  described = (): Resource[] => this.#parts.flatMap((part) => part.described?.() ?? []);

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> =>
    this.#parts
      .find((part) => part.resources.some(({ name }) => name.split('/')[0] === info.plural))
      ?.handle(request, info);
}

export function jsonReply(status: number, body: object): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** The JSON object that a request carries. */
export function bodyOf({ body }: ApiRequest): Record<string, unknown> {
  let value: unknown = body;
  try {
    if (body instanceof Buffer) value = JSON.parse(body.toString() || '{}');
  } catch (error) {
    throw new ApiError('BadRequest', 'The body of the request is no JSON.', undefined, error);
  }
  return isRecord(value) ? value : {};
}
