import type { KubeObject } from '../../kube/index.ts';
import type { Resource } from '../kinds/index.ts';
import { renderObjects, viewOf } from '../registry/index.ts';
import { viewFor } from './negotiate.ts';
import type { ApiRequest, Reply } from './request.ts';

const HEADERS = { 'content-type': 'application/json' };

/** Objects that do not come from the store, in the form that the client asked for. */
export function listReply(
  request: ApiRequest,
  resource: Resource,
  objects: readonly KubeObject[],
  now: number,
): Reply {
  const view = viewFor(request, now);
  return {
    status: 200,
    headers: HEADERS,
    body: renderObjects(resource, objects, { resourceVersion: '' }, view),
  };
}

export function objectReply(request: ApiRequest, resource: Resource, object: KubeObject, now: number): Reply {
  const body = JSON.stringify(viewOf(resource, object, viewFor(request, now)));
  return { status: 200, headers: HEADERS, body };
}
