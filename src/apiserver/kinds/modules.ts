import { parseTypes, type TypeModule } from '../schema/index.ts';
import { AUTHENTICATION_V1_TYPES, AUTHORIZATION_V1_TYPES, RBAC_V1_TYPES } from './types/access.ts';
import { CORE_TYPES } from './types/core.ts';
import {
  ADMISSIONREGISTRATION_V1_TYPES,
  APIEXTENSIONS_V1_TYPES,
  APIREGISTRATION_V1_TYPES,
} from './types/extension.ts';
import { META_TYPES } from './types/meta.ts';
import {
  COORDINATION_V1_TYPES,
  DISCOVERY_V1_TYPES,
  EVENTS_V1_TYPES,
  NETWORKING_V1_TYPES,
  POLICY_V1_TYPES,
  SCHEDULING_V1_TYPES,
  STORAGE_V1_TYPES,
} from './types/network.ts';
import { POD_TYPES } from './types/pod.ts';
import { VOLUME_TYPES } from './types/volume.ts';
import {
  APPS_V1_TYPES,
  AUTOSCALING_V1_TYPES,
  AUTOSCALING_V2_TYPES,
  BATCH_V1_TYPES,
} from './types/workloads.ts';

/** OpenAPI prefix and types of every built-in group and version. */
const GROUP_TYPES: Record<string, [prefix: string, text: string]> = {
  'apps/v1': ['io.k8s.api.apps.v1', APPS_V1_TYPES],
  'batch/v1': ['io.k8s.api.batch.v1', BATCH_V1_TYPES],
  'autoscaling/v1': ['io.k8s.api.autoscaling.v1', AUTOSCALING_V1_TYPES],
  'autoscaling/v2': ['io.k8s.api.autoscaling.v2', AUTOSCALING_V2_TYPES],
  'networking.k8s.io/v1': ['io.k8s.api.networking.v1', NETWORKING_V1_TYPES],
  'discovery.k8s.io/v1': ['io.k8s.api.discovery.v1', DISCOVERY_V1_TYPES],
  'policy/v1': ['io.k8s.api.policy.v1', POLICY_V1_TYPES],
  'coordination.k8s.io/v1': ['io.k8s.api.coordination.v1', COORDINATION_V1_TYPES],
  'events.k8s.io/v1': ['io.k8s.api.events.v1', EVENTS_V1_TYPES],
  'storage.k8s.io/v1': ['io.k8s.api.storage.v1', STORAGE_V1_TYPES],
  'scheduling.k8s.io/v1': ['io.k8s.api.scheduling.v1', SCHEDULING_V1_TYPES],
  'rbac.authorization.k8s.io/v1': ['io.k8s.api.rbac.v1', RBAC_V1_TYPES],
  'authentication.k8s.io/v1': ['io.k8s.api.authentication.v1', AUTHENTICATION_V1_TYPES],
  'authorization.k8s.io/v1': ['io.k8s.api.authorization.v1', AUTHORIZATION_V1_TYPES],
  'apiextensions.k8s.io/v1': [
    'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1',
    APIEXTENSIONS_V1_TYPES,
  ],
  'apiregistration.k8s.io/v1': [
    'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1',
    APIREGISTRATION_V1_TYPES,
  ],
  'admissionregistration.k8s.io/v1': ['io.k8s.api.admissionregistration.v1', ADMISSIONREGISTRATION_V1_TYPES],
};

/** Parses the types of all built-in kinds, by `group/version` (`v1` for the core group). */
export function builtinModules(): Map<string, TypeModule> {
  const meta = parseTypes('io.k8s.apimachinery.pkg.apis.meta.v1', META_TYPES);
  const core = parseTypes('io.k8s.api.core.v1', `${POD_TYPES}${VOLUME_TYPES}${CORE_TYPES}`, [meta]);
  const modules = new Map([
    ['meta/v1', meta],
    ['v1', core],
  ]);
  for (const [groupVersion, [prefix, text]] of Object.entries(GROUP_TYPES)) {
    modules.set(groupVersion, parseTypes(prefix, text, [core, meta]));
  }
  return modules;
}
