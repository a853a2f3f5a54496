import {
  type Container,
  controllerReference,
  type EnvVar,
  type Pod,
  type Volume,
  type VolumeMount,
} from '../../kube/index.ts';
import { childName } from '../names.ts';
import { LABELS, POD_ANNOTATIONS } from '../resources.ts';
import type { PodTemplate, Step, TaskRun, TaskSpec } from '../types.ts';
import type { BoundWorkspace } from './workspaces.ts';

export const RESULTS_VOLUME = 'tekton-internal-results';
export const STEPS_VOLUME = 'tekton-internal-steps';
const WORKSPACE_VOLUME = 'tekton-internal-workspace';
const HOME_VOLUME = 'tekton-internal-home';
const SCRIPTS_VOLUME = 'tekton-internal-scripts';
const CREDENTIALS_VOLUME = 'tekton-internal-credentials';
export const RESULTS_PATH = '/tekton/results';
export const STEPS_PATH = '/tekton/steps';
export const CREDENTIALS_PATH = '/tekton/creds';
const SCRIPT_ANNOTATION = 'dispatch.dev/script-';
const SHEBANG = '#!/bin/sh\nset -e\n';
const EXECUTABLE = 0o755;

export interface CredentialFiles {
  secretName: string;
  items: { key: string; path: string }[];
}

export interface PodParts {
  spec: TaskSpec;
  workspaces: readonly BoundWorkspace[];
  podName: string;
  /** A Secret with the files by which git and registries' clients log in. */
  credentials: CredentialFiles | undefined;
}

/** The pod that runs the steps of a task, one after another. Every variable in the spec has been replaced. */
export function podOf(run: TaskRun, parts: PodParts): Pod {
  const { spec, podName } = parts;
  const template = run.spec.podTemplate ?? {};
  const steps = (spec.steps ?? []).map((step, at) => withTemplate(step, spec, nameOf(step, at), run));
  const scripts = new Map<string, string>();
  const containers = steps.map((step, at) =>
    toContainer(step, `step-${step.name}`, script(step, `script-${at}`, scripts), parts),
  );
  const sidecars = (spec.sidecars ?? []).map(
    (sidecar, at): Container => ({
      ...toContainer(
        { ...sidecar, ...run.spec.sidecarSpecs?.find((item) => item.name === sidecar.name) },
        `sidecar-${sidecar.name ?? at}`,
        script(sidecar, `sidecar-script-${at}`, scripts),
        { ...parts, workspaces: parts.workspaces },
      ),
      restartPolicy: 'Always',
    }),
  );
  const conditions = Object.fromEntries(
    steps.flatMap(({ name, when }) => (when?.length ? [[`step-${name}`, when] as const] : [])),
  );
  const tolerant = steps.filter((step) => step.onError === 'continue').map((step) => `step-${step.name}`);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName,
      namespace: run.metadata.namespace ?? '',
      labels: {
        ...run.metadata.labels,
        [LABELS.managedBy]: 'tekton-pipelines',
        [LABELS.taskRun]: run.metadata.name ?? '',
        [LABELS.taskRunUid]: run.metadata.uid ?? '',
      },
      annotations: {
        ...userAnnotations(run),
        [POD_ANNOTATIONS.sequential]: 'true',
        [POD_ANNOTATIONS.keepVolumes]: 'true',
        [POD_ANNOTATIONS.stepResults]: STEPS_VOLUME,
        ...(tolerant.length > 0 && { [POD_ANNOTATIONS.continueOnFailure]: tolerant.join(',') }),
        ...(Object.keys(conditions).length > 0 && {
          [POD_ANNOTATIONS.stepWhen]: JSON.stringify(conditions),
        }),
        ...Object.fromEntries([...scripts].map(([name, text]) => [`${SCRIPT_ANNOTATION}${name}`, text])),
      },
      ownerReferences: [controllerReference(run)],
    },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName: run.spec.serviceAccountName ?? 'default',
      ...(sidecars.length > 0 && { initContainers: sidecars }),
      containers,
      volumes: unique([
        ...internalVolumes(scripts, parts),
        ...parts.workspaces.map((item) => item.volume),
        ...(spec.volumes ?? []),
        ...(template.volumes ?? []),
      ]),
      ...podFields(template),
    },
  };
}

function nameOf(step: Step, at: number): string {
  return step.name ?? `unnamed-${at}`;
}

export function stepNames(spec: TaskSpec): string[] {
  return (spec.steps ?? []).map(nameOf);
}

/**
 * Annotations of users go along; those by which tools remember what they applied do not, and neither do those that
 * the node obeys: a task must not ask for the files of another.
 */
function userAnnotations(run: TaskRun): Record<string, string> {
  return Object.fromEntries(
    Object.entries(run.metadata.annotations ?? {}).filter(
      ([key]) => !key.startsWith('kubectl.kubernetes.io/') && !key.startsWith('dispatch.dev/'),
    ),
  );
}

function podFields(template: PodTemplate): Partial<Pod['spec']> {
  const { volumes: _volumes, env: _env, ...fields } = template;
  return fields as Partial<Pod['spec']>;
}

/** A step takes from the template what it does not say itself; lists are joined by name. */
function withTemplate(step: Step, spec: TaskSpec, name: string, run: TaskRun): Step & { name: string } {
  const { stepTemplate = {} } = spec;
  const resources =
    run.spec.stepSpecs?.find((item) => item.name === name)?.computeResources ??
    step.computeResources ??
    stepTemplate.computeResources;
  const { computeResources: _, ...template } = stepTemplate;
  return {
    ...template,
    ...step,
    name,
    env: byName([...(run.spec.podTemplate?.env ?? []), ...(stepTemplate.env ?? []), ...(step.env ?? [])]),
    volumeMounts: [
      ...(stepTemplate.volumeMounts ?? []).filter(
        (mount) => !step.volumeMounts?.some((own) => own.mountPath === mount.mountPath),
      ),
      ...(step.volumeMounts ?? []),
    ],
    ...(resources && { computeResources: resources }),
  };
}

function byName(list: readonly EnvVar[]): EnvVar[] {
  return [...new Map(list.map((item) => [item.name, item])).values()];
}

/** A script lies in a file of its own, so that it may start with any interpreter. */
function script(step: Step, name: string, into: Map<string, string>): string | undefined {
  if (step.script === undefined || step.script === '') return undefined;
  into.set(name, step.script.startsWith('#!') ? step.script : `${SHEBANG}${step.script}`);
  return `/tekton/scripts/${name}`;
}

function toContainer(
  step: Step & { name?: string },
  name: string,
  scriptPath: string | undefined,
  parts: PodParts,
): Container {
  const {
    script: _script,
    timeout: _timeout,
    onError: _onError,
    ref: _ref,
    params: _params,
    results: _results,
    when: _when,
    workspaces,
    stdoutConfig: _out,
    stderrConfig: _err,
    computeResources,
    ...container
  } = step;
  const isolated = workspaces !== undefined;
  const bound = parts.workspaces
    .filter((item) => !item.isolated || isolated)
    .flatMap((item): VolumeMount[] => {
      const own = workspaces?.find((usage) => usage.name === item.name);
      return item.isolated && own === undefined
        ? []
        : [{ ...item.mount, ...(own?.mountPath && { mountPath: own.mountPath }) }];
    });
  return {
    ...container,
    name,
    image: step.image ?? '',
    ...(scriptPath !== undefined && { command: [scriptPath] }),
    ...(computeResources && { resources: computeResources }),
    env: [...credentialVariables(parts), ...(step.env ?? [])],
    volumeMounts: mounts([
      ...(step.volumeMounts ?? []),
      ...bound,
      { name: WORKSPACE_VOLUME, mountPath: '/workspace' },
      { name: HOME_VOLUME, mountPath: '/tekton/home' },
      { name: RESULTS_VOLUME, mountPath: RESULTS_PATH },
      { name: STEPS_VOLUME, mountPath: STEPS_PATH },
      ...(scriptPath === undefined
        ? []
        : [{ name: SCRIPTS_VOLUME, mountPath: '/tekton/scripts', readOnly: true }]),
      ...(parts.credentials === undefined
        ? []
        : [{ name: CREDENTIALS_VOLUME, mountPath: CREDENTIALS_PATH, readOnly: true }]),
    ]),
  };
}

/** Where the same place is asked for twice, the first counts. */
function mounts(list: readonly VolumeMount[]): VolumeMount[] {
  return [...new Map(list.toReversed().map((item) => [item.mountPath, item])).values()].toReversed();
}

function credentialVariables({ credentials }: PodParts): EnvVar[] {
  if (credentials === undefined) return [];
  return [
    { name: 'GIT_CONFIG_GLOBAL', value: `${CREDENTIALS_PATH}/.gitconfig` },
    { name: 'DOCKER_CONFIG', value: `${CREDENTIALS_PATH}/.docker` },
    { name: 'GIT_SSH_COMMAND', value: `ssh -F ${CREDENTIALS_PATH}/.ssh/config` },
  ];
}

function internalVolumes(scripts: ReadonlyMap<string, string>, { credentials }: PodParts): Volume[] {
  return [
    ...[WORKSPACE_VOLUME, HOME_VOLUME, RESULTS_VOLUME, STEPS_VOLUME].map(
      (name): Volume => ({ name, emptyDir: {} }),
    ),
    ...(scripts.size === 0
      ? []
      : [
          {
            name: SCRIPTS_VOLUME,
            downwardAPI: {
              items: [...scripts.keys()].map((name) => ({
                path: name,
                mode: EXECUTABLE,
                fieldRef: { fieldPath: `metadata.annotations['${SCRIPT_ANNOTATION}${name}']` },
              })),
            },
          },
        ]),
    ...(credentials === undefined
      ? []
      : [
          {
            name: CREDENTIALS_VOLUME,
            secret: {
              secretName: credentials.secretName,
              defaultMode: 0o400,
              items: credentials.items,
            },
          },
        ]),
  ];
}

function unique(volumes: readonly Volume[]): Volume[] {
  return [...new Map(volumes.map((item) => [item.name, item])).values()];
}

/** The name of the pod of an attempt: again after a failure, or because the last one was lost. */
export function podNameOf(run: TaskRun, retries: number, lost: number): string {
  return childName(
    run.metadata.name ?? '',
    `-pod${retries > 0 ? `-retry${retries}` : ''}${lost > 0 ? `-again${lost}` : ''}`,
  );
}
