import { type Condition, isRecord, type KubeObject } from '../../kube/index.ts';
import type { Health } from '../resources.ts';

export type Fields = Record<string, unknown>;
export type HealthCheck = (object: KubeObject, status: Fields, spec: Fields) => Health | undefined;

export const HEALTHY: Health = { status: 'Healthy' };

export function fieldsOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

export function recordsIn(value: unknown): Fields[] {
  return Array.isArray(value) ? (value as unknown[]).filter(isRecord) : [];
}

export function numberIn(fields: Fields, key: string): number {
  const value = fields[key];
  return typeof value === 'number' ? value : 0;
}

export function conditionsIn(status: Fields): Condition[] {
  return recordsIn(status['conditions']) as unknown as Condition[];
}

export function progressing(message: string): Health {
  return { status: 'Progressing', message };
}

export function degraded(message: string | undefined): Health {
  return { status: 'Degraded', ...(message && { message }) };
}

export function isObserved({ metadata }: KubeObject, status: Fields): boolean {
  return (metadata.generation ?? 0) <= numberIn(status, 'observedGeneration');
}
