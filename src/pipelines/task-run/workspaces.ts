import {
  controllerReference,
  type KubeClient,
  type KubeObject,
  PERSISTENT_VOLUME_CLAIMS,
  unlessThere,
  type Volume,
  type VolumeMount,
} from '../../kube/index.ts';
import { createHash } from 'node:crypto';
import { RunProblem } from '../params.ts';
import type { Replacements } from '../substitution.ts';
import type { TaskSpec, WorkspaceBinding } from '../types.ts';

export interface BoundWorkspace {
  name: string;
  volume: Volume;
  mount: VolumeMount;
  /** Mounted only where steps or sidecars ask for it. */
  isolated: boolean;
}

/** The volumes of the workspaces that a task declares. */
export function bindWorkspaces(
  spec: TaskSpec,
  bindings: readonly WorkspaceBinding[] | undefined,
): BoundWorkspace[] {
  const isolated = new Set(
    [...(spec.steps ?? []), ...(spec.sidecars ?? [])].flatMap((step) =>
      (step.workspaces ?? []).map((item) => item.name),
    ),
  );
  const volumes = new Map<string, string>();
  return (spec.workspaces ?? []).flatMap((declared) => {
    const binding = bindings?.find((item) => item.name === declared.name);
    if (binding === undefined) {
      if (declared.optional) return [];
      throw new RunProblem(
        'TaskRunValidationFailed',
        `bound workspaces did not match declared workspaces: missing values for workspaces [${declared.name}]`,
      );
    }
    const source = sourceOf(binding);
    // One claim that is bound twice is one volume of the pod.
    const key = JSON.stringify(source);
    const shared = source.persistentVolumeClaim !== undefined ? volumes.get(key) : undefined;
    const volumeName =
      shared ?? `ws-${createHash('sha256').update(`${declared.name}${key}`).digest('hex').slice(0, 5)}`;
    volumes.set(key, volumeName);
    return [
      {
        name: declared.name,
        volume: { name: volumeName, ...source },
        mount: {
          name: volumeName,
          mountPath: declared.mountPath ?? `/workspace/${declared.name}`,
          ...(binding.subPath && { subPath: binding.subPath }),
          ...(declared.readOnly && { readOnly: true }),
        },
        isolated: isolated.has(declared.name),
      },
    ];
  });
}

function sourceOf(binding: WorkspaceBinding): Omit<Volume, 'name'> {
  const { name: _name, subPath: _subPath, volumeClaimTemplate, ...source } = binding;
  if (volumeClaimTemplate !== undefined)
    throw new RunProblem(
      'TaskRunValidationFailed',
      `the claim of workspace ${binding.name} has not been made`,
    );
  if (Object.keys(source).length !== 1)
    throw new RunProblem('TaskRunValidationFailed', `workspace ${binding.name} must name exactly one volume`);
  return source as Omit<Volume, 'name'>;
}

export function workspaceReplacements(
  spec: TaskSpec,
  bound: readonly BoundWorkspace[],
  into: Replacements,
): void {
  for (const { name } of spec.workspaces ?? []) {
    const found = bound.find((item) => item.name === name);
    into.set(`workspaces.${name}.path`, found?.mount.mountPath ?? '');
    into.set(`workspaces.${name}.bound`, String(found !== undefined));
    into.set(`workspaces.${name}.claim`, found?.volume.persistentVolumeClaim?.claimName ?? '');
    into.set(`workspaces.${name}.volume`, found?.volume.name ?? '');
  }
}

/** Makes the claims that templates of a run ask for. */
export async function makeClaims(
  client: KubeClient,
  run: KubeObject & { spec: { workspaces?: WorkspaceBinding[] } },
): Promise<void> {
  for (const binding of run.spec.workspaces ?? [])
    if (binding.volumeClaimTemplate !== undefined)
      await unlessThere(client.create(PERSISTENT_VOLUME_CLAIMS, claimOf(run, binding)));
}

/** The workspaces of a run, with claims in the place of templates for them. */
export function withClaims<T extends KubeObject & { spec: { workspaces?: WorkspaceBinding[] } }>(run: T): T {
  if (run.spec.workspaces?.some(({ volumeClaimTemplate }) => volumeClaimTemplate !== undefined) !== true)
    return run;
  const workspaces = run.spec.workspaces.map((binding): WorkspaceBinding => {
    const { volumeClaimTemplate, ...rest } = binding;
    if (volumeClaimTemplate === undefined) return binding;
    return { ...rest, persistentVolumeClaim: { claimName: claimOf(run, binding).metadata.name ?? '' } };
  });
  return { ...run, spec: { ...run.spec, workspaces } };
}

/** The claim that a template of a run asks for. The same run always asks for the same one. */
export function claimOf(run: KubeObject, binding: WorkspaceBinding): KubeObject {
  const { metadata = {}, spec = {} } = binding.volumeClaimTemplate ?? {};
  const hash = createHash('sha256')
    .update(`${binding.name}${run.metadata.namespace}${run.metadata.uid}`)
    .digest('hex')
    .slice(0, 10);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...metadata,
      name: `${metadata.name ?? 'pvc'}-${hash}`,
      namespace: run.metadata.namespace ?? '',
      ownerReferences: [controllerReference(run)],
    },
    spec,
  };
}
