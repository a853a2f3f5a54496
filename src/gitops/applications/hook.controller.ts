import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  Controller,
  DONE,
  hasFinalizer,
  type Informer,
  isApiError,
  type Outcome,
  type Request,
  type Secret,
  SECRETS,
  secretText,
  unlessGone,
  withFinalizer,
  withoutFinalizer,
  controllerReference,
} from '../../kube/index.ts';
import { answerDelivery, ensureHook, type ScmEvent, type Source } from '../../scm/index.ts';
import type { GitopsContext } from '../context.ts';
import { APPLICATIONS, type Application, NOTES, sourcesOf } from '../resources.ts';
import type { RepositoryCredentials } from '../sources/credentials.ts';

const FINALIZER = 'dispatch.dev/gitops-webhook';
const HOOK_ID = 'dispatch.dev/webhook-id';
const CHECK_MS = 10 * 60_000;
const RETRY_MS = 30_000;

export interface HookParts {
  context: GitopsContext;
  credentials: RepositoryCredentials;
  /** A repository has moved, or somebody proposes to move it. */
  happened: (app: Application, event: ScmEvent) => Promise<void>;
}

/** Has the providers of repositories tell of pushes, for applications whose account may ask for that. */
export class HookController {
  readonly #parts: HookParts;
  readonly #applications: Informer<Application>;
  readonly #controller: Controller;

  constructor(parts: HookParts) {
    this.#parts = parts;
    const { informers, log } = parts.context;
    this.#applications = informers.for<Application>(APPLICATIONS);
    this.#controller = new Controller({
      name: 'application-webhook',
      log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#applications);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  /** `path` is what follows "/dispatch/hook/gitops/". */
  handle = (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const [provider, namespace = '', name = ''] = path.split('/');
    const app = this.#applications.get(namespace, name);
    return answerDelivery(request, response, {
      provider,
      isKnown: app !== undefined,
      secret: async () =>
        app === undefined ? undefined : secretText(await this.#secretObject(app), 'secret'),
      accept: async (events) => {
        for (const event of events) await this.#parts.happened(app!, event);
      },
    });
  };

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const known = this.#applications.get(namespace, name);
    if (known === undefined) return DONE;
    const account = known.metadata.annotations?.[NOTES.account];
    if (account === undefined && !hasFinalizer(known, FINALIZER)) return DONE;
    const app = await unlessGone(this.#parts.context.client.get<Application>(APPLICATIONS, namespace, name));
    if (app === undefined) return DONE;
    if (app.metadata.deletionTimestamp !== undefined || account === undefined) return this.#remove(app);
    try {
      const source = await this.#source(app);
      if (source?.api === undefined || source.provider === 'dispatch') return DONE;
      if (!hasFinalizer(app, FINALIZER)) {
        await this.#patch(app, { finalizers: withFinalizer(app, FINALIZER) });
        return DONE;
      }
      const id = await ensureHook(source, {
        url: `${this.#parts.context.publicUrl()}/dispatch/hook/gitops/${source.provider}/${namespace}/${name}`,
        knownId: app.metadata.annotations?.[HOOK_ID],
        secret: () => this.#secret(app),
      });
      if (app.metadata.annotations?.[HOOK_ID] !== id)
        await this.#patch(app, { annotations: { [HOOK_ID]: id } });
      return { result: 'requeueAfter', ms: CHECK_MS };
    } catch (error) {
      if (isApiError(error)) throw error;
      // Without a webhook the repository is asked now and then.
      this.#parts.context.log.debug(
        { err: error, application: name },
        'the webhook of an application could not be made',
      );
      return { result: 'requeueAfter', ms: RETRY_MS };
    }
  }

  async #source(app: Application): Promise<Source | undefined> {
    const [first] = sourcesOf(app);
    if (first === undefined || first.chart !== undefined) return undefined;
    const { namespace = '', annotations } = app.metadata;
    return this.#parts.credentials.source(first.repoURL, {
      namespace,
      account: annotations?.[NOTES.account],
    });
  }

  async #remove(app: Application): Promise<Outcome> {
    if (!hasFinalizer(app, FINALIZER)) return DONE;
    try {
      const source = await this.#source(app);
      const id = app.metadata.annotations?.[HOOK_ID];
      if (id !== undefined) await source?.api?.deleteHook(source.fullName, id);
    } catch (error) {
      // A provider that is gone must not keep the object here for ever.
      this.#parts.context.log.warn(
        { err: error, application: app.metadata.name },
        'the webhook of an application could not be removed',
      );
    }
    await this.#patch(app, {
      finalizers: withoutFinalizer(app, FINALIZER),
      annotations: { [HOOK_ID]: null },
    });
    return DONE;
  }

  async #secretObject({ metadata }: Application): Promise<Secret | undefined> {
    return unlessGone(
      this.#parts.context.client.get<Secret>(
        SECRETS,
        metadata.namespace ?? '',
        `${metadata.name}-gitops-webhook`,
      ),
    );
  }

  async #secret(app: Application): Promise<string> {
    const known = secretText(await this.#secretObject(app), 'secret');
    if (known !== '') return known;
    const secret = randomBytes(32).toString('hex');
    await this.#parts.context.client.create<Secret>(SECRETS, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: `${app.metadata.name}-gitops-webhook`,
        namespace: app.metadata.namespace ?? '',
        ownerReferences: [controllerReference(app)],
      },
      type: 'Opaque',
      data: { secret: Buffer.from(secret).toString('base64') },
    });
    return secret;
  }

  async #patch({ metadata }: Application, patch: object): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = metadata;
    await unlessGone(
      this.#parts.context.client.patch(APPLICATIONS, { namespace, name }, 'merge', {
        metadata: { resourceVersion, ...patch },
      }),
    );
  }
}
