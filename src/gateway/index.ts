export type { GatewayConfig, RouteMetrics } from './config.ts';
export { Gateway, type GatewayOptions, HTTP_ROUTES } from './gateway.ts';
export { gatewayDefinitions } from './definitions.ts';
export { type FunctionsLink, GatewayProcess, type PodNetwork } from './gateway-process.ts';
export type * from './functions/protocol.ts';
export { BadSchemaError, type Check, checkOf } from './functions/schema.ts';
export type { EndpointObject } from './compile/endpoint.ts';
