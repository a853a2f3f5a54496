import { type Condition, isRecord, type KubeObject } from '../../kube/index.ts';
import type { Health, HealthCode } from '../resources.ts';

type Fields = Record<string, unknown>;
type Check = (object: KubeObject, status: Fields, spec: Fields) => Health | undefined;

const ORDER: readonly HealthCode[] = [
  'Healthy',
  'Suspended',
  'Progressing',
  'Missing',
  'Degraded',
  'Unknown',
];
const HEALTHY: Health = { status: 'Healthy' };

/** The worse of two. */
export function worse(a: HealthCode, b: HealthCode): HealthCode {
  return ORDER.indexOf(b) > ORDER.indexOf(a) ? b : a;
}

/** How an object is, by the rules of its kind. Undefined for kinds that cannot be ill. */
export function healthOf(object: KubeObject): Health | undefined {
  if (object.metadata.deletionTimestamp !== undefined) return progressing('Pending deletion');
  const group = object.apiVersion.includes('/') ? object.apiVersion.split('/')[0]! : '';
  const check = CHECKS[`${group}/${object.kind}`] ?? CHECKS[`${group}/*`];
  return check?.(object, fieldsOf(object['status']), fieldsOf(object['spec']));
}

function fieldsOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

function numberIn(fields: Fields, key: string): number {
  const value = fields[key];
  return typeof value === 'number' ? value : 0;
}

function conditionsIn(status: Fields): Condition[] {
  const found = status['conditions'];
  return Array.isArray(found) ? (found.filter(isRecord) as unknown as Condition[]) : [];
}

function progressing(message: string): Health {
  return { status: 'Progressing', message };
}

function degraded(message: string | undefined): Health {
  return { status: 'Degraded', ...(message && { message }) };
}

function isObserved({ metadata }: KubeObject, status: Fields): boolean {
  return (metadata.generation ?? 0) <= numberIn(status, 'observedGeneration');
}

function deployment(object: KubeObject, status: Fields, spec: Fields): Health {
  if (spec['paused'] === true) return { status: 'Suspended', message: 'Deployment is paused' };
  if (!isObserved(object, status))
    return progressing(
      'Waiting for rollout to finish: observed deployment generation less than desired generation',
    );
  const stuck = conditionsIn(status).find(
    ({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded',
  );
  if (stuck !== undefined)
    return degraded(`Deployment ${JSON.stringify(object.metadata.name)} exceeded its progress deadline`);
  const [wanted, updated] = [wantedReplicas(spec), numberIn(status, 'updatedReplicas')];
  const [replicas, available] = [numberIn(status, 'replicas'), numberIn(status, 'availableReplicas')];
  if (updated < wanted)
    return progressing(
      `Waiting for rollout to finish: ${updated} out of ${wanted} new replicas have been updated...`,
    );
  if (replicas > updated)
    return progressing(
      `Waiting for rollout to finish: ${replicas - updated} old replicas are pending termination...`,
    );
  if (available < updated)
    return progressing(
      `Waiting for rollout to finish: ${available} of ${updated} updated replicas are available...`,
    );
  return HEALTHY;
}

function wantedReplicas(spec: Fields): number {
  return typeof spec['replicas'] === 'number' ? spec['replicas'] : 1;
}

function statefulSet(object: KubeObject, status: Fields, spec: Fields): Health {
  if (!isObserved(object, status))
    return progressing('Waiting for statefulset spec update to be observed...');
  const [wanted, ready] = [wantedReplicas(spec), numberIn(status, 'readyReplicas')];
  if (ready < wanted) return progressing(`Waiting for ${wanted - ready} pods to be ready...`);
  if (
    status['updateRevision'] !== status['currentRevision'] &&
    fieldsOf(spec['updateStrategy'])['type'] !== 'OnDelete'
  )
    return progressing(
      `waiting for statefulset rolling update to complete ${numberIn(status, 'updatedReplicas')} pods at revision ${String(status['updateRevision'])}...`,
    );
  return HEALTHY;
}

function daemonSet(object: KubeObject, status: Fields): Health {
  if (!isObserved(object, status))
    return progressing(
      'Waiting for rollout to finish: observed daemon set generation less than desired generation',
    );
  const wanted = numberIn(status, 'desiredNumberScheduled');
  const [updated, available] = [
    numberIn(status, 'updatedNumberScheduled'),
    numberIn(status, 'numberAvailable'),
  ];
  if (updated < wanted)
    return progressing(
      `Waiting for daemon set to finish: ${updated} out of ${wanted} new pods have been updated...`,
    );
  return available < wanted
    ? progressing(`Waiting for daemon set to finish: ${available} of ${wanted} updated pods are available...`)
    : HEALTHY;
}

function replicaSet(object: KubeObject, status: Fields, spec: Fields): Health {
  if (!isObserved(object, status))
    return progressing(
      'Waiting for rollout to finish: observed replica set generation less than desired generation',
    );
  const failure = conditionsIn(status).find(
    ({ type, status: is }) => type === 'ReplicaFailure' && is === 'True',
  );
  if (failure !== undefined) return degraded(failure.message);
  const [wanted, available] = [wantedReplicas(spec), numberIn(status, 'availableReplicas')];
  return available < wanted
    ? progressing(
        `Waiting for rollout to finish: ${available} out of ${wanted} new replicas are available...`,
      )
    : HEALTHY;
}

const BAD_WAITS =
  /^(?:ErrImagePull|ImagePullBackOff|InvalidImageName|CrashLoopBackOff|CreateContainerConfigError|RunContainerError)$/;

function pod(_: KubeObject, status: Fields, spec: Fields): Health {
  const statuses = Array.isArray(status['containerStatuses'])
    ? (status['containerStatuses'] as unknown[]).filter(isRecord)
    : [];
  for (const item of statuses) {
    const waiting = fieldsOf(fieldsOf(item['state'])['waiting']);
    if (typeof waiting['reason'] === 'string' && BAD_WAITS.test(waiting['reason']))
      return degraded(String(waiting['message'] ?? waiting['reason']));
  }
  switch (status['phase']) {
    case 'Succeeded':
      return HEALTHY;
    case 'Failed':
      return degraded(typeof status['message'] === 'string' ? status['message'] : undefined);
    case 'Running': {
      if (spec['restartPolicy'] === 'Never' || spec['restartPolicy'] === 'OnFailure') return progressing('');
      const isReady = conditionsIn(status).some(({ type, status: is }) => type === 'Ready' && is === 'True');
      return isReady ? HEALTHY : progressing('');
    }
    default:
      return progressing('');
  }
}

function job(_: KubeObject, status: Fields, spec: Fields): Health {
  const find = (wanted: string): Condition | undefined =>
    conditionsIn(status).find(({ type, status: is }) => type === wanted && is === 'True');
  const failed = find('Failed');
  if (failed !== undefined) return degraded(failed.message);
  if (find('Complete') !== undefined) return HEALTHY;
  if (spec['suspend'] === true || find('Suspended') !== undefined)
    return { status: 'Suspended', message: 'Job is suspended' };
  return progressing('Job is being run');
}

function claim(_: KubeObject, status: Fields): Health {
  if (status['phase'] === 'Bound') return HEALTHY;
  // A claim may wait for the first pod that wants it.
  return status['phase'] === 'Lost' ? degraded('The volume is lost') : progressing('');
}

function service(_: KubeObject, status: Fields, spec: Fields): Health {
  if (spec['type'] !== 'LoadBalancer') return HEALTHY;
  const ingress = fieldsOf(status['loadBalancer'])['ingress'];
  return Array.isArray(ingress) && ingress.length > 0 ? HEALTHY : progressing('');
}

function ingress(_: KubeObject, status: Fields): Health {
  const list = fieldsOf(status['loadBalancer'])['ingress'];
  return Array.isArray(list) && list.length > 0 ? HEALTHY : progressing('');
}

function autoscaler(_: KubeObject, status: Fields): Health {
  const bad = conditionsIn(status).find(
    ({ type, status: is, reason = '' }) =>
      is === 'False' &&
      (type === 'AbleToScale' ||
        (type === 'ScalingActive' && /^Failed/.test(reason) && reason !== 'FailedGetResourceMetric')),
  );
  if (bad !== undefined) return degraded(bad.message);
  return conditionsIn(status).some(({ type, status: is }) => is === 'True' && type !== 'ScalingLimited')
    ? HEALTHY
    : progressing('Waiting to Autoscale');
}

function definition(_: KubeObject, status: Fields): Health {
  const find = (wanted: string): Condition | undefined =>
    conditionsIn(status).find(({ type }) => type === wanted);
  if (find('NamesAccepted')?.status === 'False') return degraded(find('NamesAccepted')?.message);
  return find('Established')?.status === 'True' ? HEALTHY : progressing('Status conditions not found');
}

function apiService(_: KubeObject, status: Fields): Health {
  const available = conditionsIn(status).find(({ type }) => type === 'Available');
  if (available?.status === 'True') return HEALTHY;
  return progressing(available?.message ?? 'Waiting to be processed');
}

/** Kinds that say with a condition Ready how they are. */
function ready(object: KubeObject, status: Fields, spec: Fields): Health | undefined {
  if (spec['suspend'] === true) return { status: 'Suspended', message: `${object.kind} is suspended` };
  const condition = conditionsIn(status).find(({ type }) => type === 'Ready');
  if (condition === undefined) return progressing(`Waiting for the ${object.kind} to be ready`);
  if (status['observedGeneration'] !== undefined && !isObserved(object, status))
    return progressing(`Waiting for the ${object.kind} to be seen`);
  if (condition.status === 'True') return HEALTHY;
  return condition.status === 'Unknown' ? progressing(condition.message ?? '') : degraded(condition.message);
}

/** Runs say with a condition Succeeded. */
function run(_: KubeObject, status: Fields): Health {
  const condition = conditionsIn(status).find(({ type }) => type === 'Succeeded');
  if (condition?.status === 'True') return HEALTHY;
  return condition?.status === 'False' ? degraded(condition.message) : progressing(condition?.message ?? '');
}

function application(_: KubeObject, status: Fields): Health {
  const health = fieldsOf(status['health']);
  return {
    status: (health['status'] as HealthCode | undefined) ?? 'Progressing',
    ...(typeof health['message'] === 'string' && { message: health['message'] }),
  };
}

function canary(_: KubeObject, status: Fields): Health {
  const phase = String(status['phase'] ?? '');
  if (phase === 'Failed') return degraded('Canary Failed');
  return /^(?:Initialized|Succeeded)$/.test(phase) ? HEALTHY : progressing(phase);
}

const CHECKS: Readonly<Record<string, Check>> = {
  'apps/Deployment': deployment,
  'apps/StatefulSet': statefulSet,
  'apps/DaemonSet': daemonSet,
  'apps/ReplicaSet': replicaSet,
  '/Pod': pod,
  '/Service': service,
  '/PersistentVolumeClaim': claim,
  'batch/Job': job,
  'networking.k8s.io/Ingress': ingress,
  'autoscaling/HorizontalPodAutoscaler': autoscaler,
  'apiextensions.k8s.io/CustomResourceDefinition': definition,
  'apiregistration.k8s.io/APIService': apiService,
  'argoproj.io/Application': application,
  'flagger.app/Canary': canary,
  'tekton.dev/PipelineRun': run,
  'tekton.dev/TaskRun': run,
  'kustomize.toolkit.fluxcd.io/*': ready,
  'source.toolkit.fluxcd.io/*': ready,
  'helm.toolkit.fluxcd.io/*': ready,
  'dispatch.dev/Repository': ready,
  'cert-manager.io/Certificate': ready,
};
