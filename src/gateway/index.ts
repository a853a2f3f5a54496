export type { GatewayConfig, RouteMetrics } from './config.ts';
export { Gateway, type GatewayOptions, HTTP_ROUTES } from './gateway.ts';
export { gatewayDefinitions } from './definitions.ts';
export { GatewayProcess } from './gateway-process.ts';
