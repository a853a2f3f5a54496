import { isRecord, type KubeObject } from '../../kube/index.ts';
import { at } from './columns.ts';
import type { Conversion } from './resource.ts';

function each(
  fromStored: (object: KubeObject) => KubeObject,
  toStored: (object: KubeObject) => KubeObject,
): Conversion {
  return {
    fromStored: async (objects) => objects.map(fromStored),
    toStored: async (objects) => objects.map(toStored),
  };
}

const METRICS_ANNOTATION = 'autoscaling.alpha.kubernetes.io/metrics';

/** autoscaling/v1 knows one metric, the CPU; the others travel in an annotation and come back unharmed. */
export const AUTOSCALING_V1_CONVERSION = each(
  (stored) => {
    const { metrics, behavior: _, ...spec } = isRecord(stored['spec']) ? stored['spec'] : {};
    const {
      currentMetrics: __,
      conditions: ___,
      ...status
    } = isRecord(stored['status']) ? stored['status'] : {};
    const all = Array.isArray(metrics) ? metrics : [];
    const cpu = all.find(
      (metric) =>
        at(metric, 'resource.name') === 'cpu' &&
        at(metric, 'resource.target.averageUtilization') !== undefined,
    );
    const others = all.filter((metric) => metric !== cpu);
    const metadata = { ...stored.metadata };
    if (others.length > 0)
      metadata.annotations = { ...metadata.annotations, [METRICS_ANNOTATION]: JSON.stringify(others) };
    const target = at(cpu, 'resource.target.averageUtilization');
    return {
      ...stored,
      apiVersion: 'autoscaling/v1',
      metadata,
      spec: { ...spec, ...(target !== undefined && { targetCPUUtilizationPercentage: target }) },
      status,
    };
  },
  (object) => {
    const { targetCPUUtilizationPercentage: target, ...spec } = isRecord(object['spec'])
      ? object['spec']
      : {};
    const { [METRICS_ANNOTATION]: encoded, ...annotations } = object.metadata.annotations ?? {};
    const metrics: unknown[] = encoded === undefined ? [] : metricsFrom(encoded);
    if (target !== undefined) {
      metrics.push({
        type: 'Resource',
        resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } },
      });
    }
    const metadata = { ...object.metadata };
    if (encoded !== undefined) metadata.annotations = annotations;
    return { ...object, apiVersion: 'autoscaling/v2', metadata, spec: { ...spec, metrics } };
  },
);

function metricsFrom(encoded: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(encoded);
    return Array.isArray(parsed) ? parsed.filter(isRecord) : [];
  } catch {
    return [];
  }
}

/** Fields of an event under their name in v1 and in events.k8s.io/v1. */
const EVENT_FIELDS: [core: string, events: string][] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
];

function renamed(object: KubeObject, apiVersion: string, names: ReadonlyMap<string, string>): KubeObject {
  const entries = Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value] as const);
  return { ...(Object.fromEntries(entries) as KubeObject), apiVersion };
}

const TO_EVENTS = new Map(EVENT_FIELDS);
const TO_CORE = new Map(EVENT_FIELDS.map(([core, events]) => [events, core]));

export const EVENTS_V1_CONVERSION = each(
  (stored) => renamed(stored, 'events.k8s.io/v1', TO_EVENTS),
  (object) => renamed(object, 'v1', TO_CORE),
);
