import type { Runnable, WorkloadContext } from './context.ts';
import { DeploymentController } from './deployment/deployment.controller.ts';
import { ReplicaSetController } from './replica-set/replica-set.controller.ts';
import { EndpointsController } from './service/endpoints.controller.ts';

/** Every controller of this room. They share informers, so make them all before starting those. */
export function workloadControllers(context: WorkloadContext): Runnable[] {
  return [
    new ReplicaSetController(context),
    new DeploymentController(context),
    new EndpointsController(context),
  ];
}
