import { randomBytes } from 'node:crypto';
import {
  type Condition,
  Controller,
  controllerReference,
  DONE,
  hasFinalizer,
  type Informer,
  isApiError,
  type Outcome,
  type Request,
  type Secret,
  SECRETS,
  secretText,
  secretTexts,
  withCondition,
  withFinalizer,
  withoutFinalizer,
  unlessGone,
} from '../../kube/index.ts';
import type { CiContext } from '../context.ts';
import { REPOSITORIES, type Repository } from '../resources.ts';
import { ensureHook, type Source, SourceProblem, sourceOf } from '../../scm/index.ts';

const FINALIZER = 'dispatch.dev/webhook';
const CHECK_MS = 10 * 60_000;
const RETRY_MS = 30_000;

/** Keeps the webhook of every repository at its provider as it should be. */
export class RepositoryController {
  readonly #context: CiContext;
  readonly #repositories: Informer<Repository>;
  readonly #controller: Controller;

  constructor(context: CiContext) {
    this.#context = context;
    this.#repositories = context.informers.for<Repository>(REPOSITORIES);
    this.#controller = new Controller({
      name: 'repository',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#repositories);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    if (this.#repositories.get(request.namespace, request.name) === undefined) return DONE;
    // As it is now: a pass on an older version would not know the hook that the last one has made, and replace it.
    const repository = await unlessGone(
      this.#context.client.get<Repository>(REPOSITORIES, request.namespace, request.name),
    );
    if (repository === undefined) return DONE;
    if (repository.metadata.deletionTimestamp !== undefined) return this.#remove(repository);
    try {
      const source = await sourceOf(this.#context, repository);
      if (source.api === undefined || source.provider === 'dispatch') {
        const message =
          source.provider === 'dispatch'
            ? 'Pushes to it start its pipelines.'
            : 'Without credentials its provider cannot be told of webhooks: make one by hand.';
        await this.#report(repository, { status: 'True', reason: 'Ready', message });
        return DONE;
      }
      if (!hasFinalizer(repository, FINALIZER)) {
        await this.#patch(repository, { metadata: { finalizers: withFinalizer(repository, FINALIZER) } });
        return DONE;
      }
      await this.#ensureHook(repository, source);
      return { result: 'requeueAfter', ms: CHECK_MS };
    } catch (error) {
      if (isApiError(error)) throw error;
      await this.#report(repository, {
        status: 'False',
        reason: error instanceof SourceProblem ? 'Misconfigured' : 'ProviderFailed',
        message: (error as Error).message,
      });
      return { result: 'requeueAfter', ms: RETRY_MS };
    }
  }

  async #ensureHook(repository: Repository, source: Source): Promise<void> {
    const path = hookPath(source.provider ?? '', repository);
    const url = `${this.#context.publicUrl()}${path}`;
    const id = await ensureHook(source, {
      url,
      knownId: repository.status?.webhook?.id,
      secret: () => this.#secret(repository),
    });
    await this.#report(
      repository,
      { status: 'True', reason: 'Ready', message: 'Its provider tells this server of events.' },
      { webhook: { path, id, url } },
    );
  }

  async #secret(repository: Repository): Promise<string> {
    const { client } = this.#context;
    const known = await webhookSecret(this.#context, repository);
    if (known !== undefined) return known;
    const secret = randomBytes(32).toString('hex');
    await client.create(SECRETS, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: secretName(repository),
        namespace: repository.metadata.namespace ?? '',
        ownerReferences: [controllerReference(repository)],
      },
      type: 'Opaque',
      data: { secret: Buffer.from(secret).toString('base64') },
    } as Secret);
    return secret;
  }

  async #remove(repository: Repository): Promise<Outcome> {
    if (!hasFinalizer(repository, FINALIZER)) return DONE;
    try {
      const { api, fullName } = await sourceOf(this.#context, repository);
      const id = repository.status?.webhook?.id;
      if (api !== undefined && id) await api.deleteHook(fullName, id);
    } catch (error) {
      // A provider that is gone must not keep the object here for ever.
      this.#context.log.warn(
        { err: error, repository: repository.metadata.name },
        'the webhook of a repository could not be removed',
      );
    }
    await this.#patch(repository, { metadata: { finalizers: withoutFinalizer(repository, FINALIZER) } });
    return DONE;
  }

  async #report(
    repository: Repository,
    condition: Pick<Condition, 'status' | 'reason' | 'message'>,
    more: object = {},
  ): Promise<void> {
    const conditions = withCondition(
      repository.status?.conditions as Condition[] | undefined,
      { type: 'Ready', ...condition },
      this.#context.now(),
    );
    await this.#patch(repository, { status: { ...more, conditions } }, 'status');
  }

  async #patch(repository: Repository, patch: object, subresource?: string): Promise<void> {
    const { namespace = '', name = '' } = repository.metadata;
    try {
      await this.#context.client.patch(
        REPOSITORIES,
        { namespace, name },
        'merge',
        patch,
        subresource === undefined ? {} : { subresource },
      );
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
  }
}

export function hookPath(provider: string, { metadata }: Repository): string {
  return `/dispatch/hook/${provider}/${metadata.namespace}/${metadata.name}`;
}

function secretName({ spec, metadata }: Repository): string {
  return spec.webhookSecret ?? `${metadata.name}-webhook`;
}

/** What signs the deliveries of a repository. */
export async function webhookSecret(
  { client }: CiContext,
  repository: Repository,
): Promise<string | undefined> {
  const secret = await unlessGone(
    client.get<Secret>(SECRETS, repository.metadata.namespace ?? '', secretName(repository)),
  );
  return secretText(secret, 'secret') || secretText(secret, 'token') || secretTexts(secret)[0];
}
