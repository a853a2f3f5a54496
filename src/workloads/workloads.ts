import { AutoscalerController, type MetricSource } from './autoscaler/autoscaler.controller.ts';
import { BudgetController } from './budget/budget.controller.ts';
import { PodCollector } from './collect/pod-collector.ts';
import type { Runnable, WorkloadContext } from './context.ts';
import { DaemonSetController } from './daemon-set/daemon-set.controller.ts';
import { DeploymentController } from './deployment/deployment.controller.ts';
import { CronJobController } from './job/cron-job.controller.ts';
import { JobController } from './job/job.controller.ts';
import { ReplicaSetController } from './replica-set/replica-set.controller.ts';
import { EndpointsController } from './service/endpoints.controller.ts';
import { StatefulSetController } from './stateful-set/stateful-set.controller.ts';
import { VolumeBinder, type VolumeBinderOptions } from './storage/volume-binder.ts';

export interface WorkloadOptions {
  volumes: VolumeBinderOptions;
  metrics: MetricSource;
}

/** Every controller of this room. They share informers, so make them all before starting those. */
export function workloadControllers(context: WorkloadContext, options: WorkloadOptions): Runnable[] {
  return [
    new ReplicaSetController(context),
    new DeploymentController(context),
    new StatefulSetController(context),
    new DaemonSetController(context),
    new JobController(context),
    new CronJobController(context),
    new EndpointsController(context),
    new VolumeBinder(context, options.volumes),
    new BudgetController(context),
    new AutoscalerController(context, options.metrics),
    new PodCollector(context),
  ];
}
