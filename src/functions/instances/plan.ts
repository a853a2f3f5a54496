import { durationMs, quantityNumber } from '../../kube/index.ts';
import type { RevisionConfig } from '../../gateway/index.ts';
import {
  type FunctionObject,
  type FunctionTemplate,
  plainLanguage,
  type RevisionObject,
} from '../resources.ts';

/** How processes of a revision are made, and how many there may be. */
export interface Plan {
  key: string;
  revision: string;
  namespace: string;
  /** Image, as it is looked up. */
  image: string;
  imageDigest: string;
  language: string;
  sourceDigest: string | undefined;
  handler: string | undefined;
  cloudEvents: boolean;
  env: Record<string, string>;
  memoryBytes: number;
  cpuMillis: number | undefined;
  port: number | undefined;
  /** Its image is the function: there is nothing to load. */
  isOwnImage: boolean;
  concurrency: number;
  minScale: number;
  maxScale: number;
  idleMs: number;
}

const MEBI = 1024 * 1024;
export const DEFAULT_MEMORY = '256Mi';
const MIN_MEMORY = 32 * MEBI;
const MAX_TIMEOUT_MS = 15 * 60_000;
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_IDLE_MS = 60_000;
export const DEFAULT_MAX_SCALE = 10;
export const HTTP_PORT = 8080;
/** Threads of python share one processor. */
const CONCURRENCY: Record<string, number> = { python3: 8 };
const DEFAULT_CONCURRENCY = 100;

export function planOf(fn: FunctionObject, revision: RevisionObject): Plan {
  const { template, image, own } = revision.data;
  const { spec } = fn;
  const name = revision.metadata.name ?? '';
  return {
    key: `${fn.metadata.namespace}/${fn.metadata.name}`,
    revision: name,
    namespace: fn.metadata.namespace ?? '',
    image: (own ?? image).reference,
    imageDigest: (own ?? image).digest,
    language: plainLanguage(image.language),
    sourceDigest: template.source?.digest,
    handler: template.handler,
    cloudEvents: template.cloudEvents === true,
    env: template.env ?? {},
    memoryBytes: memoryOf(template),
    cpuMillis: template.cpu === undefined ? undefined : Math.round(quantityNumber(template.cpu) * 1000),
    port: template.http || own !== undefined ? HTTP_PORT : undefined,
    isOwnImage: own !== undefined,
    concurrency: concurrencyOf(revision),
    minScale: spec.minScale ?? 0,
    maxScale: Math.max(spec.maxScale ?? DEFAULT_MAX_SCALE, spec.minScale ?? 0, 1),
    idleMs: durationMs(spec.idleTimeout ?? '') ?? DEFAULT_IDLE_MS,
  };
}

/** What the data plane knows of a revision. */
export function configOf(revision: RevisionObject, weight: number): RevisionConfig {
  const { metadata, data } = revision;
  const { template } = data;
  return {
    name: metadata.name ?? '',
    weight,
    timeoutMs: timeoutOf(template),
    concurrency: concurrencyOf(revision),
    ...(template.schema?.in !== undefined && { schemaIn: template.schema.in }),
    ...(template.schema?.out !== undefined && { schemaOut: template.schema.out }),
    ...(template.http && { http: true }),
  };
}

/** Everything that a process is made of before it becomes a function: those that share it can share spares. */
export function kindOfProcess({ imageDigest, language, memoryBytes, cpuMillis }: Plan): string {
  return `${imageDigest} ${language} ${memoryBytes} ${cpuMillis ?? ''}`;
}

/** How long a call may take, in milliseconds. */
export function timeoutOf({ timeout = 0 }: FunctionTemplate): number {
  return timeout === 0 ? DEFAULT_TIMEOUT_MS : Math.min(timeout, MAX_TIMEOUT_MS);
}

function memoryOf({ memory = DEFAULT_MEMORY }: FunctionTemplate): number {
  return Math.max(MIN_MEMORY, Math.round(quantityNumber(memory)));
}

function concurrencyOf({ data: { template, image, own } }: RevisionObject): number {
  // What others have written for one language may do one thing at a time.
  return template.concurrency ?? (own ? 1 : (CONCURRENCY[image.language] ?? DEFAULT_CONCURRENCY));
}
