export { AdmissionChain, type Plugin } from './chain.ts';
export { priority, storageClass, tolerations } from './defaults.ts';
export { escalation } from './escalation.ts';
export { limitRanges, resourceQuota, used } from './limits.ts';
export { namespaceLifecycle } from './namespace-lifecycle.ts';
export { serviceAccount } from './service-account.ts';
export { serviceAddress } from './service-address.ts';
export { webhookAdmission } from './webhooks.ts';
