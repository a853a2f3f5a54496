export type { WorkloadContext } from './context.ts';
export { workloadControllers } from './workloads.ts';
