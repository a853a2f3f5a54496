import { GROUP, VERSION } from '../../../api/index.ts';
import type { KubeClient, KubeObject, ResourceRef } from '../../../kube/index.ts';
import type { Flat } from './flat.ts';
import type { FileBase } from './source-files.ts';

/** What a conversion from the flat form may need. */
export interface Making extends FileBase {
  client: KubeClient;
  namespace: string;
}

/** A kind of the serverless commands: how it is called, shown, read and made. */
export interface CliKind {
  /** As messages and batch files call it: "Function", "API". */
  kind: string;
  /** As commands call it, the first in messages. */
  names: readonly string[];
  /** Other words for it in batch files. */
  documents?: readonly string[];
  resource: ResourceRef;
  /** The flat form of an object. */
  show: (object: KubeObject) => Flat;
  columns: Record<string, (flat: Flat) => string>;
  /** The object from its flat form. */
  make: (flat: Flat, making: Making) => Promise<KubeObject> | KubeObject;
  /** Which objects of the resource are of this kind; all where it does not say. */
  selector?: string;
  /** Old commands said "created" for some and "Created" for others. */
  isLowerCase?: boolean;
}

export function ours(plural: string, namespaced = true): ResourceRef {
  return { group: GROUP, version: VERSION, plural, namespaced };
}

export const API_VERSION = `${GROUP}/${VERSION}`;
