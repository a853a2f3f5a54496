export { aggregated, apiVersions, groupDocument, groupList, resourceList } from './discovery.ts';
export { OpenApi } from './openapi.ts';
export { toProtobuf } from './protobuf.ts';
