import type { KubeClient, Logger } from '../../kube/index.ts';
import type { CloudEvent } from '../ingest/cloud-event.ts';

/** What happens on this server and drivers make events of. */
export interface GitChange {
  /** The same for the same change, however often it is told. */
  id: string;
  namespace: string;
  repository: string;
  type: string;
  data: unknown;
}

export interface ImagePush {
  namespace: string;
  image: string;
  tag: string;
  digest: string;
}

export interface DriverSources {
  client: KubeClient;
  /** For addresses that users name: reaches nothing of this machine. */
  fetch: typeof fetch;
  /** The same, with any certificate. */
  uncheckedFetch: typeof fetch;
  onGit: (listener: (change: GitChange) => Promise<void>) => Disposable;
  onImage: (listener: (push: ImagePush) => Promise<void>) => Disposable;
  /** Where pods send events to. */
  eventsUrl: (namespace: string) => string;
  /** Where drivers are reached from outside. */
  publicUrl: () => string;
}

/** An event to be; what is not said is filled in. */
export interface NewEvent {
  type: string;
  source?: string;
  subject?: string;
  time?: string;
  id?: string;
  data?: unknown;
}

/** What a driver works with. */
export interface DriverRun {
  namespace: string;
  name: string;
  settings: ReadonlyMap<string, string>;
  secrets: Readonly<Record<string, string>>;
  sources: DriverSources;
  emit: (event: NewEvent) => Promise<void>;
  now: () => number;
  log: Logger;
}

export interface DriverRequest {
  method: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  query: URLSearchParams;
  body: Buffer;
}

/** A driver that runs in this process. */
export interface RunningDriver extends Disposable {
  /** For those that are reached from outside. */
  handle?: (request: DriverRequest) => Promise<{ status: number; message: string }>;
}

/** Makes a driver. Throws a DriverProblem when it is not set as it should be. */
export type BuiltinDriver = (run: DriverRun) => RunningDriver;

export class DriverProblem extends Error {
  override name = 'DriverProblem';
}

export type EmitEvent = (namespace: string, event: CloudEvent) => Promise<void>;

export function settingOf({ settings, name }: DriverRun, key: string): string {
  const value = settings.get(key);
  if (value === undefined || value === '')
    throw new DriverProblem(`The driver ${name} needs the setting ${key}: give it with --set ${key}=….`);
  return value;
}
