import { aborted } from '../kube/index.ts';
import { join } from 'node:path';
import { OrganizationController, PolicyController } from '../auth/index.ts';
import {
  type DriverSources,
  type EventLog,
  Events,
  Ingest,
  LocalEventLog,
  NatsEventLog,
} from '../events/index.ts';
import { Functions, type InstanceHost } from '../functions/index.ts';
import type { FunctionsToDataPlane } from '../gateway/index.ts';
import type { ControllerContext } from '../kube/index.ts';
import type { DataDir } from './data-dir.ts';
import { driverWeb } from './driver-web.ts';
import { EventService } from './event-service.ts';
import { functionCaller } from './function-caller.ts';
import type { ImageMaker } from '../functions/index.ts';
import { FunctionService } from './function-service.ts';
import { functionWeb } from './function-web.ts';
import type { ServicePart } from './local-services.ts';
import type { TokenAccess } from './token-access.ts';
import { SYSTEM_NAMESPACE, type WebServer } from './web-server.ts';

export interface ServerlessOptions extends ControllerContext {
  dirs: DataDir;
  host: InstanceHost;
  maker: ImageMaker;
  tell: (message: FunctionsToDataPlane) => void;
  sources: DriverSources;
  access: TokenAccess;
  nats: string | undefined;
}

const DEFAULT_NAMESPACE = 'default';

/** A NATS server where one is given, and files where not. Credentials in the address are for that server only. */
function openLog(dir: string, nats: string | undefined, now: () => number): Promise<EventLog> {
  if (nats === undefined) return LocalEventLog.open({ dir, now });
  const url = new URL(nats);
  const [user, pass] = [url.username, url.password].map(decodeURIComponent);
  return NatsEventLog.open({
    now,
    connection: {
      servers: `${url.protocol}//${url.host}`,
      ...(user && (pass ? { user, pass } : { token: user })),
      ...(url.protocol === 'tls:' && { tls: {} }),
    },
  });
}

/** Functions, endpoints and events. */
export class Serverless implements AsyncDisposable {
  readonly functions: Functions;
  readonly events: Events;
  /** What is no object: runs, sources, events. */
  readonly services: readonly ServicePart[];
  readonly #access: TokenAccess;
  readonly #identity: readonly { run: (signal: AbortSignal) => Promise<void> }[];

  private constructor(options: ServerlessOptions, functions: Functions, events: Events) {
    this.functions = functions;
    this.events = events;
    this.#access = options.access;
    this.#identity = [new PolicyController(options, SYSTEM_NAMESPACE), new OrganizationController(options)];
    this.services = [new FunctionService(options.client, functions), new EventService(events)];
  }

  /** Before the informers start. */
  static async open(options: ServerlessOptions): Promise<Serverless> {
    const { dirs, maker, sources, access, host, tell, nats, ...context } = options;
    const dir = join(dirs.root, 'functions');
    const functions = await Functions.open({ ...context, dir, host, tell, maker });
    const events: Events = new Events(context, {
      events: await openLog(join(dirs.root, 'events'), nats, context.now),
      caller: functionCaller(
        () => functions.runs,
        (namespace, event) => events.emit(namespace, [event]),
      ),
      sources,
    });
    return new Serverless(options, functions, events);
  }

  serveOn(web: WebServer): void {
    const ingest = new Ingest({
      events: this.events,
      defaultNamespace: DEFAULT_NAMESPACE,
      authorize: (header, namespace) =>
        this.#access.may(header, { verb: 'create', resource: 'cloudevents', namespace }),
    });
    web.route('/dispatch/events', ingest.handle);
    web.route('/dispatch/driver/', driverWeb(this.events));
    web.route('/dispatch/runs/', functionWeb(this.functions, this.#access));
  }

  async run(signal: AbortSignal): Promise<void> {
    // An event must not be given up because its function was not there yet.
    const events = Promise.race([this.functions.ready, aborted(signal)]).then(() =>
      signal.aborted ? undefined : this.events.run(signal),
    );
    const identity = this.#identity.map((controller) => controller.run(signal));
    await Promise.all([this.functions.run(signal), events, ...identity]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.events[Symbol.asyncDispose]();
    await this.functions[Symbol.asyncDispose]();
  }
}
