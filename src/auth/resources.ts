import { GROUP, type Phase, VERSION } from '../api/index.ts';
import type { KubeObject, ResourceRef } from '../kube/index.ts';

export const POLICIES: ResourceRef = { group: GROUP, version: VERSION, plural: 'policies', namespaced: true };
export const ORGANIZATIONS: ResourceRef = { ...POLICIES, plural: 'organizations' };

export interface PolicyRule {
  subjects: string[];
  actions: string[];
  resources: string[];
}

export interface PolicyObject extends KubeObject {
  spec: { global?: boolean; rules: PolicyRule[] };
  status?: { phase?: Phase; reason?: string[] };
}

export interface OrganizationObject extends KubeObject {
  spec?: { description?: string };
  status?: { phase?: Phase; reason?: string[] };
}
