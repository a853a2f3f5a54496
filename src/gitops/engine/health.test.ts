import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../kube/index.ts';
import type { HealthCode } from '../resources.ts';
import { healthOf, worse } from './health.ts';

const object = (type: string, spec: object, status: object, metadata: object = {}): KubeObject => {
  const at = type.lastIndexOf('/');
  return {
    apiVersion: type.slice(0, at),
    kind: type.slice(at + 1),
    metadata: { name: 'x', generation: 2, ...metadata },
    spec,
    status,
  };
};
const is = (type: string, status = 'True', reason = ''): object => ({ type, status, reason, message: 'why' });
const conditions = (...list: object[]): object => ({ conditions: list });
const seen = { observedGeneration: 2 };

/** Kind, spec, status, and how it is by the rules of its kind. */
const CASES: readonly [string, object, object, HealthCode | undefined][] = [
  ['apps/v1/Deployment', { replicas: 2 }, { observedGeneration: 1 }, 'Progressing'],
  ['apps/v1/Deployment', { paused: true }, seen, 'Suspended'],
  ['apps/v1/Deployment', { replicas: 2 }, { ...seen, updatedReplicas: 1 }, 'Progressing'],
  ['apps/v1/Deployment', { replicas: 1 }, { ...seen, updatedReplicas: 1, replicas: 2 }, 'Progressing'],
  ['apps/v1/Deployment', {}, { ...seen, updatedReplicas: 1, replicas: 1 }, 'Progressing'],
  ['apps/v1/Deployment', {}, { ...seen, updatedReplicas: 1, replicas: 1, availableReplicas: 1 }, 'Healthy'],
  ['apps/v1/Deployment', { replicas: 0 }, seen, 'Healthy'],
  [
    'apps/v1/Deployment',
    {},
    { ...seen, ...conditions(is('Progressing', 'False', 'ProgressDeadlineExceeded')) },
    'Degraded',
  ],
  ['apps/v1/StatefulSet', {}, { observedGeneration: 1 }, 'Progressing'],
  ['apps/v1/StatefulSet', { replicas: 3 }, { ...seen, readyReplicas: 2 }, 'Progressing'],
  [
    'apps/v1/StatefulSet',
    {},
    { ...seen, readyReplicas: 1, updateRevision: 'b', currentRevision: 'a' },
    'Progressing',
  ],
  [
    'apps/v1/StatefulSet',
    { updateStrategy: { type: 'OnDelete' } },
    { ...seen, readyReplicas: 1, updateRevision: 'b', currentRevision: 'a' },
    'Healthy',
  ],
  ['apps/v1/DaemonSet', {}, { ...seen, desiredNumberScheduled: 2 }, 'Progressing'],
  [
    'apps/v1/DaemonSet',
    {},
    { ...seen, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 },
    'Progressing',
  ],
  [
    'apps/v1/DaemonSet',
    {},
    { ...seen, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 },
    'Healthy',
  ],
  [
    'apps/v1/DaemonSet',
    { updateStrategy: { type: 'OnDelete' } },
    { ...seen, desiredNumberScheduled: 2 },
    'Healthy',
  ],
  ['apps/v1/ReplicaSet', { replicas: 2 }, { ...seen, availableReplicas: 1 }, 'Progressing'],
  ['apps/v1/ReplicaSet', {}, { ...seen, ...conditions(is('ReplicaFailure')) }, 'Degraded'],
  ['apps/v1/ReplicaSet', { replicas: 2 }, { ...seen, availableReplicas: 2 }, 'Healthy'],
  ['v1/Pod', {}, { phase: 'Pending' }, 'Progressing'],
  ['v1/Pod', {}, { phase: 'Running', ...conditions(is('Ready')) }, 'Healthy'],
  ['v1/Pod', {}, { phase: 'Running', ...conditions(is('Ready', 'False')) }, 'Progressing'],
  ['v1/Pod', {}, { phase: 'Running', containerStatuses: [{ lastState: { terminated: {} } }] }, 'Degraded'],
  [
    'v1/Pod',
    { restartPolicy: 'OnFailure' },
    { phase: 'Running', containerStatuses: [{ state: { waiting: { reason: 'CrashLoopBackOff' } } }] },
    'Progressing',
  ],
  ['v1/Pod', { restartPolicy: 'Never' }, { phase: 'Running', ...conditions(is('Ready')) }, 'Progressing'],
  ['v1/Pod', { restartPolicy: 'Never' }, { phase: 'Succeeded' }, 'Healthy'],
  ['v1/Pod', {}, { phase: 'Failed', message: 'evicted' }, 'Degraded'],
  [
    'v1/Pod',
    {},
    { phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff' } } }] },
    'Degraded',
  ],
  ['v1/Service', { type: 'ClusterIP' }, {}, 'Healthy'],
  ['v1/Service', { type: 'LoadBalancer' }, {}, 'Progressing'],
  ['v1/Service', { type: 'LoadBalancer' }, { loadBalancer: { ingress: [{ ip: 'x' }] } }, 'Healthy'],
  ['v1/PersistentVolumeClaim', {}, { phase: 'Pending' }, 'Progressing'],
  ['v1/PersistentVolumeClaim', {}, { phase: 'Bound' }, 'Healthy'],
  ['v1/PersistentVolumeClaim', {}, { phase: 'Lost' }, 'Degraded'],
  ['batch/v1/Job', {}, {}, 'Progressing'],
  ['batch/v1/Job', {}, conditions(is('Complete')), 'Healthy'],
  ['batch/v1/Job', {}, conditions(is('Failed')), 'Degraded'],
  ['batch/v1/Job', { suspend: true }, {}, 'Suspended'],
  ['networking.k8s.io/v1/Ingress', {}, {}, 'Progressing'],
  ['networking.k8s.io/v1/Ingress', {}, { loadBalancer: { ingress: [{}] } }, 'Healthy'],
  ['autoscaling/v2/HorizontalPodAutoscaler', {}, {}, 'Progressing'],
  ['autoscaling/v2/HorizontalPodAutoscaler', {}, conditions(is('AbleToScale')), 'Healthy'],
  ['autoscaling/v2/HorizontalPodAutoscaler', {}, conditions(is('ScalingActive')), 'Progressing'],
  ['autoscaling/v2/HorizontalPodAutoscaler', {}, conditions(is('ScalingLimited')), 'Healthy'],
  [
    'autoscaling/v2/HorizontalPodAutoscaler',
    {},
    conditions(is('AbleToScale', 'False', 'FailedGetScale')),
    'Degraded',
  ],
  ['apiextensions.k8s.io/v1/CustomResourceDefinition', {}, {}, 'Progressing'],
  [
    'apiextensions.k8s.io/v1/CustomResourceDefinition',
    {},
    conditions(is('Established'), is('NamesAccepted')),
    'Healthy',
  ],
  [
    'apiextensions.k8s.io/v1/CustomResourceDefinition',
    {},
    conditions(is('NamesAccepted', 'False')),
    'Degraded',
  ],
  ['apiregistration.k8s.io/v1/APIService', {}, conditions(is('Available', 'False')), 'Progressing'],
  ['apiregistration.k8s.io/v1/APIService', {}, conditions(is('Available')), 'Healthy'],
  ['argoproj.io/v1alpha1/Application', {}, { health: { status: 'Degraded' } }, 'Degraded'],
  ['flagger.app/v1beta1/Canary', {}, { phase: 'Succeeded' }, 'Healthy'],
  ['flagger.app/v1beta1/Canary', {}, { phase: 'Failed' }, 'Degraded'],
  ['flagger.app/v1beta1/Canary', {}, { phase: 'Promoting' }, 'Progressing'],
  ['tekton.dev/v1/PipelineRun', {}, conditions(is('Succeeded', 'Unknown')), 'Progressing'],
  ['tekton.dev/v1/TaskRun', {}, conditions(is('Succeeded', 'False')), 'Degraded'],
  ['kustomize.toolkit.fluxcd.io/v1/Kustomization', { suspend: true }, {}, 'Suspended'],
  ['helm.toolkit.fluxcd.io/v2/HelmRelease', {}, conditions(is('Ready', 'Unknown')), 'Progressing'],
  ['source.toolkit.fluxcd.io/v1/Bucket', {}, conditions(is('Ready')), 'Healthy'],
  ['cert-manager.io/v1/Certificate', {}, conditions(is('Ready', 'False')), 'Degraded'],
  [
    'cert-manager.io/v1/Certificate',
    {},
    { observedGeneration: 1, ...conditions(is('Ready')) },
    'Progressing',
  ],
  ['cert-manager.io/v1/Certificate', {}, conditions(is('Ready', 'False'), is('Issuing')), 'Progressing'],
  ['cert-manager.io/v1/ClusterIssuer', {}, conditions(is('Ready')), 'Healthy'],
  ['argoproj.io/v1alpha1/Rollout', {}, {}, 'Progressing'],
  ['argoproj.io/v1alpha1/Rollout', {}, { observedGeneration: '1', phase: 'Healthy' }, 'Progressing'],
  ['argoproj.io/v1alpha1/Rollout', {}, { observedGeneration: '2', phase: 'Healthy' }, 'Healthy'],
  ['argoproj.io/v1alpha1/Rollout', {}, { observedGeneration: '2', phase: 'Paused' }, 'Suspended'],
  ['argoproj.io/v1alpha1/Rollout', {}, { observedGeneration: '2', phase: 'Degraded' }, 'Degraded'],
  [
    'argoproj.io/v1alpha1/Rollout',
    { workloadRef: {} },
    { observedGeneration: '2', pauseConditions: [{}] },
    'Suspended',
  ],
  [
    'argoproj.io/v1alpha1/Rollout',
    {},
    { observedGeneration: 'abc', updatedReplicas: 1, availableReplicas: 1, replicas: 2 },
    'Progressing',
  ],
  ['argoproj.io/v1alpha1/AnalysisRun', {}, { phase: 'Inconclusive' }, 'Unknown'],
  ['argoproj.io/v1alpha1/Experiment', {}, { phase: 'Error' }, 'Degraded'],
  ['argoproj.io/v1alpha1/ApplicationSet', {}, conditions(is('ErrorOccurred')), 'Degraded'],
  ['argoproj.io/v1alpha1/CronWorkflow', {}, conditions(is('SpecError')), 'Degraded'],
  ['policy/v1/PodDisruptionBudget', {}, {}, 'Progressing'],
  [
    'policy/v1/PodDisruptionBudget',
    {},
    conditions(is('DisruptionAllowed', 'False', 'InsufficientPods')),
    'Healthy',
  ],
  [
    'policy/v1/PodDisruptionBudget',
    {},
    conditions(is('DisruptionAllowed', 'False', 'SyncFailed')),
    'Degraded',
  ],
  ['keda.sh/v1alpha1/ScaledObject', {}, conditions(is('Ready'), is('Paused')), 'Suspended'],
  ['external-secrets.io/v1/ExternalSecret', {}, conditions(is('Ready', 'False')), 'Degraded'],
  ['external-secrets.io/v1/ClusterExternalSecret', {}, conditions(is('PartiallyReady')), 'Degraded'],
  ['serving.knative.dev/v1/Service', {}, conditions(is('Ready', 'Unknown')), 'Progressing'],
  ['source.toolkit.fluxcd.io/v1/HelmRepository', { type: 'oci' }, {}, 'Healthy'],
  ['v1/ConfigMap', {}, {}, undefined],
  ['example.com/v1/Widget', {}, conditions(is('Ready', 'False')), undefined],
];

test('every kind is as its status says', () => {
  for (const [type, spec, status, expected] of CASES)
    assert.equal(
      healthOf(object(type, spec, status))?.status,
      expected,
      `${type} ${JSON.stringify({ spec, status })}`,
    );
});

test('an autoscaler of the oldest version says how it is in a note, and a pod why it has ended', () => {
  const old = (text: string): HealthCode | undefined => {
    const annotations = { 'autoscaling.alpha.kubernetes.io/conditions': text };
    return healthOf(object('autoscaling/v1/HorizontalPodAutoscaler', {}, {}, { annotations }))?.status;
  };
  assert.deepEqual(
    [old(JSON.stringify([is('AbleToScale')])), old('{'), old('[]')],
    ['Healthy', 'Progressing', 'Progressing'],
  );
  const ended = (terminated: object): string | undefined =>
    healthOf(
      object('v1/Pod', {}, { phase: 'Failed', containerStatuses: [{ name: 'c', state: { terminated } }] }),
    )?.message;
  assert.equal(ended({ exitCode: 3 }), 'container "c" failed with exit code 3');
  assert.equal(ended({ exitCode: 137, reason: 'OOMKilled' }), 'OOMKilled');
  assert.equal(ended({ exitCode: 1, message: 'no disk' }), 'no disk');
});

test('what is on its way out is not there yet, whatever it says', () => {
  const leaving = object('v1/Service', {}, {}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
  assert.deepEqual(healthOf(leaving), { status: 'Progressing', message: 'Pending deletion' });
});

test('a status that somebody has written by hand is no reason to fall', () => {
  for (const status of [
    null,
    'text',
    7,
    [],
    { conditions: 'none' },
    { conditions: [{}, null], containerStatuses: [null] },
  ])
    for (const type of new Set(CASES.map(([name]) => name)))
      assert.doesNotThrow(() => healthOf(object(type, {}, status as object)), `${type} ${String(status)}`);
});

test('the worst counts', () => {
  const order: HealthCode[] = ['Healthy', 'Suspended', 'Progressing', 'Missing', 'Degraded', 'Unknown'];
  for (const [at, code] of order.entries())
    for (const [other, better] of order.entries())
      assert.equal(worse(code, better), order[Math.max(at, other)]);
});
