import { isDeepStrictEqual } from 'node:util';
import { isRecord, type KubeObject } from '../../../kube/index.ts';
import type { FieldError } from '../../schema/index.ts';
import { at, listAt, textAt } from '../columns.ts';
import { nameProblem, validateLabels } from '../names.ts';
import type { Strategy } from '../resource.ts';

type Fields = Record<string, unknown>;

/** Defaults of a pod spec that depend on other fields, for pods and for templates of them. */
export function preparePodSpec(spec: unknown): void {
  if (!isRecord(spec)) return;
  if (spec['serviceAccountName'] === undefined && spec['serviceAccount'] !== undefined)
    spec['serviceAccountName'] = spec['serviceAccount'];
  if (spec['serviceAccountName'] !== undefined) spec['serviceAccount'] = spec['serviceAccountName'];
  for (const container of containersOf(spec)) {
    container['imagePullPolicy'] ??= pullPolicy(textAt(container, 'image') ?? '');
    const limits = at(container, 'resources.limits');
    if (isRecord(limits)) {
      const resources = container['resources'] as Fields;
      // What has a limit and no request asks for its limit.
      resources['requests'] = {
        ...limits,
        ...(isRecord(resources['requests']) ? resources['requests'] : {}),
      };
    }
    for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
      const probe = container[name];
      if (!isRecord(probe)) continue;
      for (const [field, fallback] of PROBE_ZEROS) if (probe[field] === 0) probe[field] = fallback;
    }
  }
  if (spec['hostNetwork'] === true) {
    for (const container of containersOf(spec)) {
      for (const port of listAt(container, 'ports'))
        if (isRecord(port)) port['hostPort'] ??= port['containerPort'];
    }
  }
  for (const volume of listAt(spec, 'volumes')) {
    if (isRecord(volume) && Object.keys(volume).length === 1) volume['emptyDir'] = {};
  }
}

const PROBE_ZEROS: [string, number][] = [
  ['timeoutSeconds', 1],
  ['periodSeconds', 10],
  ['successThreshold', 1],
  ['failureThreshold', 3],
];

function containersOf(spec: Fields): Fields[] {
  return [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')].filter(isRecord);
}

function pullPolicy(image: string): string {
  if (image.includes('@')) return 'IfNotPresent';
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

/** `claimed` names volumes that the pod gets from elsewhere. */
export function validatePodSpec(spec: unknown, path: string, claimed: readonly unknown[] = []): FieldError[] {
  const errors: FieldError[] = [];
  const containers = listAt(spec, 'containers');
  if (containers.length === 0) errors.push({ kind: 'required', field: `${path}.containers` });
  const volumes = new Set([
    ...listAt(spec, 'volumes').map((volume) => textAt(volume, 'name')),
    ...claimed.map((claim) => textAt(claim, 'metadata.name')),
  ]);
  for (const volume of listAt(spec, 'volumes')) checkName(textAt(volume, 'name'), `${path}.volumes`, errors);
  for (const list of ['initContainers', 'containers']) {
    for (const [index, container] of listAt(spec, list).entries()) {
      errors.push(...validateContainer(container, `${path}.${list}[${index}]`, volumes));
    }
  }
  return errors;
}

function validateContainer(
  container: unknown,
  path: string,
  volumes: ReadonlySet<string | undefined>,
): FieldError[] {
  const errors: FieldError[] = [];
  checkName(textAt(container, 'name'), `${path}.name`, errors);
  const image = textAt(container, 'image');
  if (image === undefined || image === '') errors.push({ kind: 'required', field: `${path}.image` });
  for (const [index, mount] of listAt(container, 'volumeMounts').entries()) {
    const name = textAt(mount, 'name');
    if (!volumes.has(name))
      errors.push({ kind: 'notFound', field: `${path}.volumeMounts[${index}].name`, value: name });
  }
  for (const [index, variable] of listAt(container, 'env').entries()) {
    const name = textAt(variable, 'name') ?? '';
    if (name.includes('='))
      errors.push({
        kind: 'invalid',
        field: `${path}.env[${index}].name`,
        value: name,
        detail: "must not contain '='",
      });
    if (at(variable, 'value') && at(variable, 'valueFrom')) {
      errors.push({
        kind: 'invalid',
        field: `${path}.env[${index}].valueFrom`,
        value: '',
        detail: 'may not be specified when `value` is not empty',
      });
    }
  }
  return errors;
}

function checkName(name: string | undefined, field: string, errors: FieldError[]): void {
  if (name === undefined || name === '') return;
  const problem = nameProblem(name, 'label');
  if (problem !== undefined) errors.push({ kind: 'invalid', field, value: name, detail: problem });
}

/** What may still change in the spec of a pod that exists. */
const MUTABLE = new Set([
  'activeDeadlineSeconds',
  'tolerations',
  'terminationGracePeriodSeconds',
  'schedulingGates',
]);

/** What of a pod's spec must stay as it is. A node is chosen once: from then on it belongs to that. */
function frozenSpec(pod: KubeObject, hasNode: boolean, subresource: string): unknown {
  const spec = isRecord(pod['spec']) ? pod['spec'] : {};
  const withoutImages = (list: unknown): unknown =>
    Array.isArray(list)
      ? list.map((item) => (isRecord(item) ? { ...item, image: undefined, resources: undefined } : item))
      : list;
  const frozen = Object.entries(spec).filter(
    ([key]) =>
      !MUTABLE.has(key) &&
      (hasNode || key !== 'nodeName') &&
      (key !== 'ephemeralContainers' || subresource !== 'ephemeralcontainers'),
  );
  return Object.fromEntries(
    frozen.map(([key, value]) => [key, key.endsWith('ontainers') ? withoutImages(value) : value]),
  );
}

function changesFrozen(pod: KubeObject, before: KubeObject, subresource: string): boolean {
  const hasNode = textAt(before, 'spec.nodeName') !== undefined;
  const frozen = (of: KubeObject): unknown => frozenSpec(of, hasNode, subresource);
  return !isDeepStrictEqual(frozen(pod), frozen(before));
}

/** What a container that is only looked through has no use for. */
const NOT_EPHEMERAL = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'];

/** Containers for debugging come and stay: none is changed or taken away. */
function ephemeralProblems(pod: KubeObject, before: KubeObject | undefined): FieldError[] {
  const field = 'spec.ephemeralContainers';
  const list = listAt(pod, field);
  if (before === undefined)
    return list.length === 0 ? [] : [{ kind: 'forbidden', field, detail: 'cannot be set on create' }];
  const errors: FieldError[] = [];
  const known = listAt(before, field);
  const named = new Map(list.map((item) => [textAt(item, 'name'), item]));
  for (const item of known)
    if (!isDeepStrictEqual(named.get(textAt(item, 'name')), item))
      errors.push({
        kind: 'forbidden',
        field,
        detail: `existing ephemeral container ${JSON.stringify(textAt(item, 'name'))} may not be changed or removed`,
      });
  const others = [...listAt(pod, 'spec.containers'), ...listAt(pod, 'spec.initContainers')];
  const names = new Set(others.map((item) => textAt(item, 'name')));
  for (const [index, item] of list.entries()) {
    const path = `${field}[${index}]`;
    const name = textAt(item, 'name') ?? '';
    if (names.has(name)) errors.push({ kind: 'duplicate', field: `${path}.name`, value: name });
    names.add(name);
    checkName(name, `${path}.name`, errors);
    if (!textAt(item, 'image')) errors.push({ kind: 'required', field: `${path}.image`, detail: '' });
    const target = textAt(item, 'targetContainerName');
    if (target && !others.some((other) => textAt(other, 'name') === target))
      errors.push({ kind: 'notFound', field: `${path}.targetContainerName`, value: target });
    for (const key of NOT_EPHEMERAL)
      if (isRecord(item) && item[key] !== undefined)
        errors.push({
          kind: 'forbidden',
          field: `${path}.${key}`,
          detail: 'cannot be set for an Ephemeral Container',
        });
  }
  return errors;
}

export const POD_STRATEGY: Strategy = {
  prepare: (pod, before) => {
    preparePodSpec(pod['spec']);
    if (isRecord(pod['spec'])) pod['spec']['enableServiceLinks'] ??= true;
    if (before === undefined) pod['status'] = { phase: 'Pending', qosClass: qosClass(pod) };
  },
  part: (subresource, before, wanted) =>
    subresource === 'ephemeralcontainers' && isRecord(before['spec'])
      ? { ...before['spec'], ephemeralContainers: listAt(wanted, 'spec.ephemeralContainers') }
      : undefined,
  validate: (pod, before, subresource) => {
    const errors = [...validatePodSpec(pod['spec'], 'spec'), ...ephemeralProblems(pod, before)];
    if (before !== undefined && changesFrozen(pod, before, subresource)) {
      errors.push({
        kind: 'forbidden',
        field: 'spec',
        detail:
          'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
      });
    }
    return errors;
  },
  gracePeriod: (pod) => {
    const phase = textAt(pod, 'status.phase');
    if (textAt(pod, 'spec.nodeName') === undefined || phase === 'Succeeded' || phase === 'Failed') return 0;
    return Number(at(pod, 'spec.terminationGracePeriodSeconds') ?? 30);
  },
};

/** Guaranteed: every container has equal cpu and memory requests and limits. BestEffort: none has any. */
export function qosClass(pod: KubeObject): string {
  let any = false;
  let equal = true;
  for (const container of [...listAt(pod, 'spec.initContainers'), ...listAt(pod, 'spec.containers')]) {
    for (const resource of ['cpu', 'memory']) {
      const request = textAt(container, `resources.requests.${resource}`);
      const limit = textAt(container, `resources.limits.${resource}`);
      any ||= request !== undefined || limit !== undefined;
      equal &&= limit !== undefined && request === limit;
    }
  }
  return !any ? 'BestEffort' : equal ? 'Guaranteed' : 'Burstable';
}

export function validateTemplate(object: KubeObject, path = 'spec.template'): FieldError[] {
  const template = at(object, path);
  const errors = validatePodSpec(
    at(template, 'spec'),
    `${path}.spec`,
    listAt(object, 'spec.volumeClaimTemplates'),
  );
  const labels = at(template, 'metadata.labels');
  if (isRecord(labels)) errors.push(...validateLabels(labels as Record<string, string>, `${path}.labels`));
  return errors;
}
