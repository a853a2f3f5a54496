import type { Container, Pod } from '../../kube/index.ts';
import { DEFAULT_CAPABILITIES } from '../keeper/constants.ts';
import { PodProblem } from './problem.ts';

export interface Security {
  user: string;
  groups: number[];
  capabilities: string[];
  noNewPrivileges: boolean;
  seccomp: boolean;
  privileged: boolean;
  readOnlyRoot: boolean;
}

/** What a container may do, from its own words, those of its pod, and those of its image, in this order. */
export function securityOf(
  pod: Pod,
  container: Container,
  imageUser: string,
  allCapabilities: readonly string[],
): Security {
  const own = container.securityContext ?? {};
  const shared = pod.spec.securityContext ?? {};
  const privileged = own.privileged === true;
  const user = userOf(pod, container, imageUser);
  refuseRoot(pod, container, user);
  const add = capabilityNames(own.capabilities?.add);
  const drop = capabilityNames(own.capabilities?.drop);
  const base = privileged || add.includes('ALL') ? allCapabilities : [...DEFAULT_CAPABILITIES, ...add];
  const kept = drop.includes('ALL')
    ? add.filter((name) => name !== 'ALL')
    : base.filter((name) => !drop.includes(name));
  const profile = own.seccompProfile?.type ?? shared.seccompProfile?.type;
  return {
    user,
    groups: [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])],
    capabilities: [...new Set(kept)],
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    seccomp: !privileged && profile !== 'Unconfined',
    privileged,
    readOnlyRoot: own.readOnlyRootFilesystem === true,
  };
}

function userOf(pod: Pod, container: Container, imageUser: string): string {
  const uid = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
  const gid = container.securityContext?.runAsGroup ?? pod.spec.securityContext?.runAsGroup;
  const who = uid === undefined ? (imageUser.split(':')[0] ?? '') : String(uid);
  const group = gid === undefined ? (uid === undefined ? imageUser.split(':')[1] : undefined) : String(gid);
  return group === undefined ? who : `${who === '' ? '0' : who}:${group}`;
}

function refuseRoot(pod: Pod, container: Container, user: string): void {
  if ((container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot) !== true) return;
  const who = user.split(':')[0] ?? '';
  const at = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  if (who === '' || who === '0' || who === 'root')
    throw new PodProblem(
      'CreateContainerConfigError',
      `container has runAsNonRoot and image will run as root ${at}`,
    );
  if (!/^\d+$/.test(who))
    throw new PodProblem(
      'CreateContainerConfigError',
      `container has runAsNonRoot and image has non-numeric user (${who}), cannot verify user is non-root ${at}`,
    );
}

function capabilityNames(names: readonly string[] | undefined): string[] {
  return (names ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, ''));
}
