import { GROUP, type Phase, VERSION } from '../api/index.ts';
import type { KubeObject, ResourceRef } from '../kube/index.ts';

function ours(plural: string): ResourceRef {
  return { group: GROUP, version: VERSION, plural, namespaced: true };
}

export const FUNCTIONS = ours('functions');
export const IMAGES = ours('images');
export const BASE_IMAGES = ours('baseimages');
export const API_VERSION = `${GROUP}/${VERSION}`;

export interface PhaseStatus {
  phase?: Phase;
  reason?: string[];
}

export interface BaseImageObject extends KubeObject {
  spec: { image: string; language?: string };
  status?: PhaseStatus & { digest?: string; checkedAt?: string };
}

export interface ImageObject extends KubeObject {
  spec: {
    baseImage: string;
    runtimeDependencies?: { manifest?: string };
    systemDependencies?: { packages?: { name: string; version?: string }[] };
  };
  status?: PhaseStatus & { language?: string; image?: string; digest?: string; builtFrom?: string };
}

/** What a revision is made of: everything that its processes depend on. */
export interface FunctionTemplate {
  image: string;
  handler?: string;
  http?: boolean;
  cloudEvents?: boolean;
  source?: { files?: Record<string, string>; digest?: string };
  schema?: { in?: object; out?: object };
  env?: Record<string, string>;
  timeout?: number;
  memory?: string;
  cpu?: string;
  concurrency?: number;
}

export interface FunctionSpec extends FunctionTemplate {
  secrets?: string[];
  services?: string[];
  minScale?: number;
  maxScale?: number;
  idleTimeout?: string;
  traffic?: { revision: string; weight: number }[];
}

export interface RevisionInfo {
  name: string;
  number: number;
  createdAt: string;
  image: string;
}

export interface FunctionObject extends KubeObject {
  spec: FunctionSpec;
  status?: PhaseStatus & {
    observedGeneration?: number;
    revision?: string;
    revisions?: RevisionInfo[];
    image?: string;
    instances?: number;
  };
}

/** A revision as it is kept: its template, with the source by its digest and the image as it was then. */
export interface RevisionObject extends KubeObject {
  data: {
    template: FunctionTemplate;
    image: ResolvedImage;
    /** The function as an image of its own, where no program of ours makes it one. */
    own?: { reference: string; digest: string };
    createdAt: string;
  };
  revision: number;
}

export interface ResolvedImage {
  /** The name by which it is started. */
  reference: string;
  digest: string;
  language: string;
}

/** Without the versions that older images have in the names of their languages. */
export function plainLanguage(language: string): string {
  return language.replace(/(nodejs|java|powershell)\d+$/, '$1');
}

export function keyOfFunction({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}
