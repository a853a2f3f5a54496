import { AUTOSCALERS, DEPLOYMENTS, type KubeObject, type ResourceRef, SERVICES } from '../../kube/index.ts';
import { DEFAULT_MAX_SCALE, DEFAULT_MEMORY, HTTP_PORT, timeoutOf } from '../instances/plan.ts';
import type { FunctionObject } from '../resources.ts';

export type ClusterForm = 'knative' | 'deployment';

export interface ClusterObject {
  ref: ResourceRef;
  object: KubeObject;
}

export interface ClusterPlan {
  form: ClusterForm;
  /** The function as an image, with its digest. */
  image: string;
  isForNobody: boolean;
  namespace: string;
}

export const KNATIVE_SERVICES: ResourceRef = {
  group: 'serving.knative.dev',
  version: 'v1',
  plural: 'services',
  namespaced: true,
};
const NOBODY = 65_534;
/** Above it a function gets another pod. */
const CPU_PERCENT = 80;
const DEFAULT_CPU = '100m';
const SECRETS_DIR = '/var/run/dispatch/secrets';
const SERVICES_DIR = '/var/run/dispatch/services';

/**
 * A function as objects of any cluster: a Service of Knative, which scales from and to none, or a Deployment with a
 * Service and an autoscaler. Both run the same image, which answers as functions do here.
 */
export function clusterObjects(fn: FunctionObject, plan: ClusterPlan): ClusterObject[] {
  return plan.form === 'knative' ? [knative(fn, plan)] : deployed(fn, plan);
}

function knative(fn: FunctionObject, plan: ClusterPlan): ClusterObject {
  const { minScale = 0, maxScale = DEFAULT_MAX_SCALE, concurrency } = fn.spec;
  const { volumes, container } = containerOf(fn, plan);
  const object: KubeObject = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: metadataOf(fn, plan),
    spec: {
      template: {
        metadata: {
          labels: labelsOf(fn),
          annotations: {
            'autoscaling.knative.dev/min-scale': String(minScale),
            'autoscaling.knative.dev/max-scale': String(maxScale),
          },
        },
        spec: {
          timeoutSeconds: secondsOf(fn),
          ...(concurrency !== undefined && { containerConcurrency: concurrency }),
          automountServiceAccountToken: false,
          containers: [container],
          ...(volumes.length > 0 && { volumes }),
        },
      },
    },
  };
  return { ref: KNATIVE_SERVICES, object };
}

function deployed(fn: FunctionObject, plan: ClusterPlan): ClusterObject[] {
  const { minScale = 0, maxScale = DEFAULT_MAX_SCALE } = fn.spec;
  const metadata = metadataOf(fn, plan);
  const { volumes, container } = containerOf(fn, plan);
  const labels = labelsOf(fn);
  const selector = { 'dispatch.dev/function': fn.metadata.name ?? '' };
  const least = Math.max(1, minScale);
  return [
    {
      ref: DEPLOYMENTS,
      object: {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        // How many there are is the autoscaler's to say.
        spec: {
          selector: { matchLabels: selector },
          template: {
            metadata: { labels },
            spec: {
              automountServiceAccountToken: false,
              terminationGracePeriodSeconds: secondsOf(fn),
              securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
              containers: [
                { ...container, env: [...container.env, { name: 'PORT', value: String(HTTP_PORT) }] },
              ],
              ...(volumes.length > 0 && { volumes }),
            },
          },
        },
      },
    },
    {
      ref: SERVICES,
      object: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { selector, ports: [{ name: 'http', port: 80, targetPort: HTTP_PORT }] },
      },
    },
    {
      ref: AUTOSCALERS,
      object: {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata,
        spec: {
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: fn.metadata.name },
          minReplicas: least,
          maxReplicas: Math.max(least, maxScale),
          metrics: [
            {
              type: 'Resource',
              resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: CPU_PERCENT } },
            },
          ],
        },
      },
    },
  ];
}

function containerOf(
  { spec }: FunctionObject,
  { image, isForNobody }: ClusterPlan,
): { volumes: object[]; container: { env: { name: string; value: string }[] } & Record<string, unknown> } {
  const mounted = [
    ...(spec.secrets ?? []).map((name) => ({ name, volume: `secret-${name}`, dir: SECRETS_DIR })),
    ...(spec.services ?? []).map((name) => ({ name, volume: `service-${name}`, dir: SERVICES_DIR })),
  ];
  const env = {
    ...spec.env,
    ...(spec.secrets?.length && { SECRETS_DIR }),
    ...(spec.services?.length && { SERVICES_DIR }),
  };
  const { memory = DEFAULT_MEMORY, cpu } = spec;
  const probe = spec.http
    ? { tcpSocket: { port: HTTP_PORT } }
    : { httpGet: { path: '/healthz', port: HTTP_PORT } };
  return {
    volumes: mounted.map(({ name, volume }) => ({ name: volume, secret: { secretName: name } })),
    container: {
      name: 'function',
      image,
      ports: [{ containerPort: HTTP_PORT }],
      env: Object.entries(env).map(([name, value]) => ({ name, value })),
      readinessProbe: probe,
      resources: {
        requests: { memory, cpu: cpu ?? DEFAULT_CPU },
        limits: { memory, ...(cpu !== undefined && { cpu }) },
      },
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        ...(isForNobody && { runAsNonRoot: true, runAsUser: NOBODY }),
      },
      ...(mounted.length > 0 && {
        volumeMounts: mounted.map(({ name, volume, dir }) => ({
          name: volume,
          mountPath: `${dir}/${name}`,
          readOnly: true,
        })),
      }),
    },
  };
}

function metadataOf(fn: FunctionObject, { namespace }: ClusterPlan): KubeObject['metadata'] {
  return { name: fn.metadata.name ?? '', namespace, labels: labelsOf(fn) };
}

function labelsOf({ metadata }: FunctionObject): Record<string, string> {
  const name = metadata.name ?? '';
  return {
    'app.kubernetes.io/name': name,
    'app.kubernetes.io/managed-by': 'dispatch',
    'dispatch.dev/function': name,
  };
}

function secondsOf({ spec }: FunctionObject): number {
  return Math.ceil(timeoutOf(spec) / 1000);
}
