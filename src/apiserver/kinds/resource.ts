import type { KubeObject } from '../../kube/index.ts';
import type { FieldError, Schema } from '../schema/index.ts';

export interface Column {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format?: string;
  description: string;
  /** 0 shows always, 1 with -o wide. */
  priority: number;
  cell: (object: KubeObject, now: number) => unknown;
}

/** What is special about one kind when its objects change. Steps change the object in place. */
export interface Strategy {
  /** Fills what depends on more than the schema: on creation and, with `before`, on every update. */
  prepare?: (object: KubeObject, before: KubeObject | undefined) => void;
  validate?: (object: KubeObject, before: KubeObject | undefined, subresource: string) => FieldError[];
  /** The spec that a change through a subresource leads to, where it may change a part of it only. */
  part?: (subresource: string, before: KubeObject, wanted: KubeObject) => unknown;
  /** Default seconds between asking an object to stop and removing it. */
  gracePeriod?: (object: KubeObject) => number;
}

/** How the scale subresource finds its numbers. */
export interface ScalePaths {
  specReplicas: string;
  statusReplicas: string;
  /** Path of the selector: a string, or a label selector or map that is written as one. */
  selector?: string;
}

/** Brings objects from and to the form in which they are stored. */
export interface Conversion {
  fromStored: (objects: KubeObject[]) => Promise<KubeObject[]>;
  toStored: (objects: KubeObject[]) => Promise<KubeObject[]>;
}

/** One kind in one version, as it is served. */
export interface Resource {
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  shortNames: readonly string[];
  categories: readonly string[];
  namespaced: boolean;
  verbs: readonly string[];
  /** Where its objects lie in the store; shared by all versions of a kind. */
  collection: string;
  schema: Schema;
  hasStatus: boolean;
  scale?: ScalePaths;
  /** Names of further subresources with handlers of their own. */
  subresources: readonly string[];
  columns: readonly Column[];
  /** Paths that field selectors may use besides name and namespace. */
  selectable: readonly string[];
  strategy: Strategy;
  /** Present where this version is not the stored one. */
  conversion?: Conversion;
  /** The CustomResourceDefinition it comes from. */
  definition?: { name: string; uid: string };
  deprecationWarning?: string;
}

export const STANDARD_VERBS = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
] as const;

export function apiVersionOf(resource: { group: string; version: string }): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** `deployments.apps`, as messages name a resource. */
export function qualified(resource: { group: string; plural: string }): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}
