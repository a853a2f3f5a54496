import { GROUP, type Phase, VERSION } from '../api/index.ts';
import type { KubeObject, ResourceRef } from '../kube/index.ts';

function ours(plural: string): ResourceRef {
  return { group: GROUP, version: VERSION, plural, namespaced: true };
}

export const SUBSCRIPTIONS = ours('subscriptions');
export const DRIVERS = ours('eventdrivers');
export const DRIVER_TYPES = ours('eventdrivertypes');
export const API_VERSION = `${GROUP}/${VERSION}`;

interface PhaseStatus {
  phase?: Phase;
  reason?: string[];
}

export interface SubscriptionObject extends KubeObject {
  spec: {
    eventType?: string;
    function: string;
    source?: string;
    subject?: string;
    filters?: unknown[];
    secrets?: string[];
    maxAttempts?: number;
    enabled?: boolean;
  };
  status?: PhaseStatus & { delivered?: number; dead?: number; waiting?: number };
}

export interface Setting {
  key: string;
  value?: string;
}

export interface DriverTypeObject extends KubeObject {
  spec: { image: string; expose?: boolean; config?: Setting[] };
  status?: PhaseStatus;
}

export interface DriverObject extends KubeObject {
  spec: { type: string; config?: Setting[]; secrets?: string[] };
  status?: PhaseStatus & { url?: string };
}
