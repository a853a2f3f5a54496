export { ApiCore, type CoreDeps } from './core.ts';
export { Listener } from './listener.ts';
export { listReply, objectReply } from './objects.ts';
export type { ApiRequest, Reply, RequestInfo, Upgrade } from './request.ts';
export { NO_PODS, type PodConnector } from './subresources.ts';
