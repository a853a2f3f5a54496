import { createHash, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  Controller,
  type ControllerContext,
  DONE,
  type Informer,
  type KubeObject,
  type Outcome,
  type Pod,
  PODS,
  type Request,
  type Secret,
  SECRETS,
  secretText,
  writeStatus,
} from '../../kube/index.ts';
import { eventOf } from '../ingest/cloud-event.ts';
import { DRIVERS, DRIVER_TYPES, type DriverObject, type DriverTypeObject } from '../resources.ts';
import { BUILTIN } from './builtin.ts';
import {
  DriverProblem,
  type DriverRequest,
  type DriverSources,
  type EmitEvent,
  type NewEvent,
  type RunningDriver,
} from './driver.ts';
import {
  DRIVER_LABEL,
  driverPath,
  ensureDriverPod,
  podName,
  settingsOf,
  tokenSecretName,
} from './driver-pod.ts';

type Status = NonNullable<DriverObject['status']>;

interface Local {
  made: unknown;
  running: RunningDriver;
}

/** Keeps drivers running: those that come along in this process, others in pods. */
export class DriverController {
  readonly #context: ControllerContext;
  readonly #sources: DriverSources;
  readonly #emit: EmitEvent;
  readonly #drivers: Informer<DriverObject>;
  readonly #types: Informer<DriverTypeObject>;
  readonly #secrets: Informer<Secret>;
  readonly #pods: Informer<Pod>;
  readonly #controller: Controller;
  readonly #local = new Map<string, Local>();
  /** Namespaces by the digests of tokens: made when it is asked for, and given up when a token changes. */
  #tokens: Map<string, string> | undefined;

  constructor(context: ControllerContext, sources: DriverSources, emit: EmitEvent) {
    this.#context = context;
    this.#sources = sources;
    this.#emit = emit;
    const { informers } = context;
    this.#drivers = informers.for<DriverObject>(DRIVERS);
    this.#types = informers.for<DriverTypeObject>(DRIVER_TYPES);
    this.#secrets = informers.for<Secret>(SECRETS);
    this.#pods = informers.for<Pod>(PODS);
    const having = (test: (driver: DriverObject) => boolean): Request[] =>
      this.#drivers
        .list()
        .filter(test)
        .map(({ metadata }) => ({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' }));
    const beside = ({ metadata }: KubeObject, driver: DriverObject): boolean =>
      driver.metadata.namespace === metadata.namespace;
    const forget = (): void => {
      this.#tokens = undefined;
    };
    for (const informer of [this.#drivers, this.#secrets])
      informer.addHandler({ added: forget, updated: forget, deleted: forget });
    this.#controller = new Controller({
      name: 'event-driver',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#drivers)
      .watches(this.#types, (type) =>
        having((driver) => beside(type, driver) && driver.spec.type === type.metadata.name),
      )
      .watches(this.#secrets, (secret) =>
        having(
          (driver) =>
            beside(secret, driver) && driver.spec.secrets?.includes(secret.metadata.name ?? '') === true,
        ),
      )
      .watches(this.#pods, (pod) => {
        const name = pod.metadata.labels?.[DRIVER_LABEL];
        return name === undefined ? [] : [{ namespace: pod.metadata.namespace ?? '', name }];
      });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#controller.run(signal);
    for (const key of [...this.#local.keys()]) this.#end(key);
  }

  /** The namespace of the driver that a token belongs to. How long it takes tells nothing: digests are looked up. */
  namespaceOf(token: string): string | undefined {
    this.#tokens ??= this.#indexTokens();
    return this.#tokens.get(digestOf(token));
  }

  #indexTokens(): Map<string, string> {
    return new Map(
      this.#drivers.list().flatMap((driver): [string, string][] => {
        const { namespace = '' } = driver.metadata;
        const own = secretText(this.#secrets.get(namespace, tokenSecretName(driver)), 'token');
        return own === '' ? [] : [[digestOf(own), namespace]];
      }),
    );
  }

  /** For a driver of this process that is reached from outside. Undefined when there is none. */
  async handle(
    namespace: string,
    name: string,
    request: DriverRequest,
  ): Promise<{ status: number; message: string } | undefined> {
    return this.#local.get(`${namespace}/${name}`)?.running.handle?.(request);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const key = `${namespace}/${name}`;
    const driver = this.#drivers.get(namespace, name);
    if (driver === undefined || driver.metadata.deletionTimestamp !== undefined) {
      this.#end(key);
      return DONE;
    }
    const missing = (driver.spec.secrets ?? []).filter(
      (item) => this.#secrets.get(namespace, item) === undefined,
    );
    if (missing.length > 0) {
      this.#end(key);
      return this.#commit(driver, {
        phase: 'ERROR',
        reason: [`The secret ${missing.join(', ')} is not there.`],
      });
    }
    const type = this.#types.get(namespace, driver.spec.type);
    if (type !== undefined) {
      this.#end(key);
      return this.#inPod(driver, type);
    }
    const builtin = BUILTIN[driver.spec.type];
    if (builtin !== undefined) return this.#here(key, driver);
    this.#end(key);
    const known = Object.keys(BUILTIN).join(', ');
    return this.#commit(driver, {
      phase: 'ERROR',
      reason: [
        `The driver type ${driver.spec.type} is not there: make it with "dispatch create eventdrivertype", or choose ${known}.`,
      ],
    });
  }

  /** In this process. */
  async #here(key: string, driver: DriverObject): Promise<Outcome> {
    const { namespace = '', name = '' } = driver.metadata;
    const secrets = this.#secretsOf(driver);
    const made = { spec: driver.spec, secrets };
    const known = this.#local.get(key);
    if (known === undefined || !isDeepStrictEqual(known.made, made)) {
      this.#end(key);
      try {
        const running = BUILTIN[driver.spec.type]!({
          namespace,
          name,
          settings: new Map(settingsOf([], driver.spec.config).map((item) => [item.key, item.value ?? ''])),
          secrets,
          sources: this.#sources,
          emit: (event) => this.#emit(namespace, eventOf(completed(event, name, this.#context.now()))),
          now: this.#context.now,
          log: this.#context.log,
        });
        this.#local.set(key, { made, running });
      } catch (error) {
        if (!(error instanceof DriverProblem)) throw error;
        return this.#commit(driver, { phase: 'ERROR', reason: [error.message] });
      }
    }
    const isReached = this.#local.get(key)!.running.handle !== undefined;
    return this.#commit(driver, {
      phase: 'READY',
      ...(isReached && { url: this.#sources.publicUrl() + driverPath(driver) }),
    });
  }

  async #inPod(driver: DriverObject, type: DriverTypeObject): Promise<Outcome> {
    const { namespace = '' } = driver.metadata;
    const pod = this.#pods.get(namespace, podName(driver));
    const secretKeys = new Map(
      (driver.spec.secrets ?? []).map((name) => [
        name,
        Object.keys(this.#secrets.get(namespace, name)?.data ?? {}),
      ]),
    );
    const eventsUrl = this.#sources.eventsUrl(namespace);
    await ensureDriverPod(this.#context.client, { driver, type, eventsUrl, secretKeys }, pod);
    return this.#commit(driver, {
      ...phaseOf(pod),
      ...(type.spec.expose && { url: this.#sources.publicUrl() + driverPath(driver) }),
    });
  }

  #secretsOf(driver: DriverObject): Record<string, string> {
    const values: Record<string, string> = {};
    for (const name of driver.spec.secrets ?? []) {
      const secret = this.#secrets.get(driver.metadata.namespace ?? '', name);
      for (const key of Object.keys(secret?.data ?? {})) values[key] = secretText(secret, key);
    }
    return values;
  }

  #end(key: string): void {
    this.#local.get(key)?.running[Symbol.dispose]();
    this.#local.delete(key);
  }

  async #commit(driver: DriverObject, status: Status): Promise<Outcome> {
    await writeStatus(this.#context.client, DRIVERS, driver, status);
    return DONE;
  }
}

function completed(event: NewEvent, driver: string, now: number): object {
  return {
    specversion: '1.0',
    id: randomUUID(),
    source: `driver/${driver}`,
    time: new Date(now).toISOString(),
    datacontenttype: 'application/json',
    ...event,
  };
}

function phaseOf(pod: Pod | undefined): Status {
  const state = pod?.status?.containerStatuses?.[0]?.state;
  if (state?.running !== undefined) return { phase: 'READY' };
  const { reason, message } = state?.waiting ?? {};
  if (reason !== undefined && reason !== 'ContainerCreating')
    return { phase: 'ERROR', reason: [message ? `${reason}: ${message}` : reason] };
  return { phase: 'CREATING' };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
