import type { KubeObject } from '../../kube/index.ts';
import type { Resource } from '../kinds/index.ts';

/** Who is asking. */
export interface User {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** What one call brings along besides its object. */
export interface Call {
  user: User;
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Texts for `Warning` headers. */
  warnings: string[];
}

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One change on its way through admission. */
export interface Attributes {
  operation: Operation;
  resource: Resource;
  subresource: string;
  /** Of the object, where a subresource takes a kind of its own. */
  kind?: { group: string; version: string; kind: string };
  namespace: string;
  name: string;
  object: KubeObject | undefined;
  before: KubeObject | undefined;
  options: Record<string, unknown>;
  call: Call;
}

/** Decides on changes: `mutate` may alter the object in place, `validate` only refuses. */
export interface Admission {
  /** Whether services outside this process take part: then no change may be decided without them. */
  asksOthers: () => boolean;
  mutate: (attributes: Attributes) => Promise<void> | undefined;
  validate: (attributes: Attributes) => Promise<void> | undefined;
}

export const SYSTEM_USER: User = {
  name: 'system:apiserver',
  groups: ['system:masters', 'system:authenticated'],
};

export function systemCall(fieldManager: string): Call {
  return { user: SYSTEM_USER, dryRun: false, fieldManager, fieldValidation: 'Ignore', warnings: [] };
}

export function objectKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
