import { type Condition, isRecord, type KubeObject } from '../../kube/index.ts';
import type { Health, HealthCode } from '../resources.ts';
import {
  conditionsIn,
  degraded,
  type Fields,
  fieldsOf,
  HEALTHY,
  type HealthCheck,
  isObserved,
  numberIn,
  progressing,
  recordsIn,
} from './health-fields.ts';
import { CUSTOM_CHECKS } from './health-kinds.ts';

const ORDER: readonly HealthCode[] = [
  'Healthy',
  'Suspended',
  'Progressing',
  'Missing',
  'Degraded',
  'Unknown',
];
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

function daemonSet(object: KubeObject, status: Fields, spec: Fields): Health {
  if (!isObserved(object, status))
    return progressing(
      'Waiting for rollout to finish: observed daemon set generation less than desired generation',
    );
  if (fieldsOf(spec['updateStrategy'])['type'] === 'OnDelete') return HEALTHY;
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

const BAD_WAITS = /^Err|Error$|BackOff$|^InvalidImageName$/;

function pod(_: KubeObject, status: Fields, spec: Fields): Health {
  const message = typeof status['message'] === 'string' ? status['message'] : '';
  const containers = recordsIn(status['containerStatuses']);
  const isLasting = (spec['restartPolicy'] ?? 'Always') === 'Always';
  // One that is to end may still get what it waits for, and must not be given up before.
  const waits = isLasting ? containers.map((item) => fieldsOf(fieldsOf(item['state'])['waiting'])) : [];
  const stuck = waits.filter(({ reason }) => typeof reason === 'string' && BAD_WAITS.test(reason));
  if (stuck.length > 0)
    return degraded(stuck.map((waiting) => String(waiting['message'] ?? waiting['reason'])).join(', '));
  switch (status['phase']) {
    case 'Succeeded':
      return HEALTHY;
    case 'Failed': {
      const all = [...recordsIn(status['initContainerStatuses']), ...containers];
      return degraded(message || (all.map(whyEnded).find((text) => text !== '') ?? ''));
    }
    case 'Running': {
      if (!isLasting) return progressing(message);
      if (conditionsIn(status).some(({ type, status: is }) => type === 'Ready' && is === 'True'))
        return HEALTHY;
      const hasFallen = containers.some((item) => isRecord(fieldsOf(item['lastState'])['terminated']));
      return hasFallen ? degraded(message) : progressing(message);
    }
    default:
      return progressing(message);
  }
}

function whyEnded(container: Fields): string {
  const ended = fieldsOf(fieldsOf(container['state'])['terminated']);
  if (typeof ended['message'] === 'string' && ended['message'] !== '') return ended['message'];
  if (ended['reason'] === 'OOMKilled') return 'OOMKilled';
  const code = numberIn(ended, 'exitCode');
  return code === 0 ? '' : `container ${JSON.stringify(container['name'])} failed with exit code ${code}`;
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

const AUTOSCALER_FAILURES = /^(?:FailedGetScale|FailedUpdateScale|FailedGetResourceMetric|InvalidSelector)$/;
/** Where the oldest version keeps its conditions. */
const OLD_CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';

function autoscaler({ metadata }: KubeObject, status: Fields): Health {
  const old = metadata.annotations?.[OLD_CONDITIONS];
  const conditions = old === undefined ? conditionsIn(status) : conditionsIn({ conditions: parsed(old) });
  for (const { type, status: is, reason = '', message } of conditions) {
    if (/^(?:AbleToScale|ScalingActive)$/.test(type) && AUTOSCALER_FAILURES.test(reason))
      return degraded(message);
    if (is === 'True' && /^(?:AbleToScale|ScalingLimited)$/.test(type)) return HEALTHY;
  }
  return progressing('Waiting to Autoscale');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

const CHECKS: Readonly<Record<string, HealthCheck>> = {
  ...CUSTOM_CHECKS,
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
};
