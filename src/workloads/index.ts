export type { MetricSource } from './autoscaler/autoscaler.controller.ts';
export type { WorkloadContext } from './context.ts';
export { DEFAULT_CLASS } from './storage/volume-binder.ts';
export { workloadControllers } from './workloads.ts';
