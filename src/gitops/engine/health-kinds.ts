import type { KubeObject } from '../../kube/index.ts';
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

/** One that is being issued again is as good as the one before it was. */
function certificate(object: KubeObject, status: Fields, spec: Fields): Health | undefined {
  const issuing = conditionsIn(status).find(({ type, status: is }) => type === 'Issuing' && is === 'True');
  return issuing === undefined ? ready(object, status, spec) : progressing(issuing.message ?? '');
}

/** Rollouts of Argo. */
function rollout({ metadata }: KubeObject, status: Fields, spec: Fields): Health {
  const observed = Number(status['observedGeneration']);
  const [phase, message] = [status['phase'], typeof status['message'] === 'string' ? status['message'] : ''];
  // Early versions wrote a hash there.
  const isNumber = Number.isSafeInteger(observed) && observed <= (metadata.generation ?? 0);
  const workload = metadata.annotations?.['rollout.argoproj.io/workload-generation'];
  const isSeen = !isNumber || observed === metadata.generation;
  const isWorkloadSeen =
    spec['workloadRef'] === undefined ||
    workload === undefined ||
    workload === String(status['workloadObservedGeneration']);
  if (Object.keys(status).length === 0 || !isSeen || !isWorkloadSeen)
    return progressing('Waiting for rollout spec update to be observed');
  const invalid = conditionsIn(status).find(
    ({ type, reason }) =>
      type === 'InvalidSpec' ||
      (type === 'Progressing' && /^(?:RolloutAborted|ProgressDeadlineExceeded)$/.test(reason ?? '')),
  );
  if (phase === 'Degraded' || (phase === undefined && invalid !== undefined))
    return degraded(message || invalid?.message);
  const isPaused = recordsIn(status['pauseConditions']).length > 0 || spec['paused'] === true;
  if (phase === 'Paused' || (phase === undefined && isPaused))
    return { status: 'Suspended', message: 'Rollout is paused' };
  if (phase === 'Progressing') return progressing(message);
  if (phase === 'Healthy') return HEALTHY;
  const wanted = typeof spec['replicas'] === 'number' ? spec['replicas'] : 1;
  const updated = numberIn(status, 'updatedReplicas');
  const [available, all] = [numberIn(status, 'availableReplicas'), numberIn(status, 'replicas')];
  return updated < wanted || available < updated || all > updated
    ? progressing('Waiting for roll out to finish')
    : HEALTHY;
}

/** Analyses and experiments of Argo have phases. */
function phased(_: KubeObject, status: Fields): Health {
  const phase = String(status['phase'] ?? '');
  const message = typeof status['message'] === 'string' ? status['message'] : phase;
  if (phase === 'Successful') return HEALTHY;
  if (/^(?:Failed|Error)$/.test(phase)) return degraded(message);
  return phase === 'Inconclusive' ? { status: 'Unknown', message } : progressing(message);
}

/** Workflows of Argo that a clock starts. */
function cronWorkflow(_: KubeObject, status: Fields): Health {
  const bad = conditionsIn(status).find(
    ({ type, status: is }) => is === 'True' && /^(?:SubmissionError|SpecError)$/.test(type),
  );
  return bad === undefined ? HEALTHY : degraded(bad.message);
}

function applicationSet(_: KubeObject, status: Fields): Health {
  const broken = conditionsIn(status).find(
    ({ type, status: is }) => type === 'ErrorOccurred' && is === 'True',
  );
  return broken === undefined ? HEALTHY : degraded(broken.message);
}

function disruptionBudget(_: KubeObject, status: Fields): Health {
  const conditions = conditionsIn(status);
  if (conditions.length === 0) return progressing('Waiting for status');
  // Too few pods at a moment are what a budget is for.
  const bad = conditions.find(({ status: is, reason }) => is === 'False' && reason !== 'InsufficientPods');
  return bad === undefined ? HEALTHY : degraded(`PodDisruptionBudget has ${bad.reason}`);
}

function scaledObject(_: KubeObject, status: Fields): Health {
  const conditions = conditionsIn(status);
  const isReady = conditions.find(({ type }) => type === 'Ready');
  if (isReady?.status === 'False') return degraded(isReady.message);
  if (isReady?.status !== 'True') return progressing('Waiting for the autoscaler to be made');
  const paused = conditions.find(({ type, status: is }) => type === 'Paused' && is === 'True');
  return paused === undefined ? HEALTHY : { status: 'Suspended', message: paused.message ?? '' };
}

function clusterExternalSecret(_: KubeObject, status: Fields): Health {
  const last = conditionsIn(status).at(-1);
  if (last?.status !== 'True') return progressing('Waiting for the secrets');
  return last.type === 'Ready' ? HEALTHY : degraded(last.message);
}

/** What keeps a repository of charts in a registry has nothing to tell: nobody asks it for a list. */
function helmRepository(object: KubeObject, status: Fields, spec: Fields): Health | undefined {
  return spec['type'] === 'oci' && conditionsIn(status).length === 0 ? HEALTHY : ready(object, status, spec);
}

/** Kinds that do not come with Kubernetes. */
export const CUSTOM_CHECKS: Readonly<Record<string, HealthCheck>> = {
  'argoproj.io/AnalysisRun': phased,
  'argoproj.io/Application': application,
  'argoproj.io/ApplicationSet': applicationSet,
  'argoproj.io/CronWorkflow': cronWorkflow,
  'argoproj.io/Experiment': phased,
  'argoproj.io/Rollout': rollout,
  'cert-manager.io/*': ready,
  'cert-manager.io/Certificate': certificate,
  'dispatch.dev/Repository': ready,
  'external-secrets.io/*': ready,
  'external-secrets.io/ClusterExternalSecret': clusterExternalSecret,
  'flagger.app/Canary': canary,
  'helm.toolkit.fluxcd.io/*': ready,
  'image.toolkit.fluxcd.io/*': ready,
  'keda.sh/ScaledJob': scaledObject,
  'keda.sh/ScaledObject': scaledObject,
  'kustomize.toolkit.fluxcd.io/*': ready,
  'notification.toolkit.fluxcd.io/*': ready,
  'policy/PodDisruptionBudget': disruptionBudget,
  'serving.knative.dev/Service': ready,
  'source.toolkit.fluxcd.io/*': ready,
  'source.toolkit.fluxcd.io/HelmRepository': helmRepository,
  'tekton.dev/PipelineRun': run,
  'tekton.dev/TaskRun': run,
};
