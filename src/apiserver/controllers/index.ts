export { AccountTokenSecrets } from './account-tokens.ts';
export { AggregatedRoles } from './aggregated-roles.ts';
export { ApiServiceStatus } from './api-services.ts';
export { EventExpiry } from './event-expiry.ts';
export { GarbageCollector } from './garbage-collector.ts';
export { NamespaceController } from './namespaces.ts';
export { QuotaStatus } from './quota-status.ts';
