import { BadSchemaError, checkOf, type FunctionConfig } from '../../gateway/index.ts';
import { DONE, type Informer, type Outcome, type Secret } from '../../kube/index.ts';
import type { FunctionsContext } from '../context.ts';
import { imageRequestOf } from '../images/function-image.ts';
import { LoadError } from '../instances/host.ts';
import { configOf, planOf } from '../instances/plan.ts';
import {
  type FunctionObject,
  type ImageObject,
  keyOfFunction,
  plainLanguage,
  type ResolvedImage,
  type RevisionObject,
} from '../resources.ts';
import { secretsOf, servicesOf } from '../runs/secrets.ts';
import { BadSourceError, filesOfTexts } from '../sources/source-store.ts';
import { KEPT, type Revisions } from './revisions.ts';

type Status = NonNullable<FunctionObject['status']>;

interface Parts {
  images: Informer<ImageObject>;
  secrets: Informer<Secret>;
  revisions: Revisions;
}

/** What the user has to mend. */
class FunctionProblem extends Error {}
/** What will come by itself. */
class NotYet extends Error {}
/** What has failed a moment ago, and is tried again later. */
class NotAgainYet extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

interface Failure {
  revision: string;
  message: string;
  /** When it is tried again; never where the code is at fault. */
  retryAt: number | undefined;
}

const RETRY_MS = 10_000;

export class FunctionReconciler {
  readonly #context: FunctionsContext;
  readonly #parts: Parts;
  /** What was made the newest may not be in the cache yet. */
  readonly #newest = new Map<string, RevisionObject>();
  /** Revisions that could not be started, with what was said: the same code is not tried again and again. */
  readonly #broken = new Map<string, Failure>();

  constructor(context: FunctionsContext, parts: Parts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** `announce` writes a status before the end. */
  async reconcile(
    fn: FunctionObject,
    announce: (status: Status) => Promise<void>,
    signal: AbortSignal,
  ): Promise<{ status: Status; outcome: Outcome }> {
    let current = this.#current(fn);
    const observed = { observedGeneration: fn.metadata.generation ?? 0 };
    try {
      const wanted = await this.#wanted(fn, signal);
      if (current?.metadata.name !== wanted.metadata.name) {
        this.#refuseBroken(fn, wanted);
        const phase = current === undefined ? 'CREATING' : 'UPDATING';
        if (fn.status?.phase !== phase) await announce({ ...this.#known(fn, current), phase });
        // The old one is called until the new one has shown that it can be.
        if (current !== undefined) this.#publish(fn, current);
        const made = await this.#try(fn, wanted, signal);
        current = await this.#parts.revisions.promote(fn, made);
        this.#newest.set(keyOfFunction(fn), current);
        this.#context.events('functions').record(fn, {
          type: 'Normal',
          reason: 'RevisionReady',
          message: `Calls go to the revision ${wanted.metadata.name} now.`,
        });
      }
      const used = this.#publish(fn, current!);
      await this.#tidy(fn, used);
      return { status: { ...this.#known(fn, current), ...observed, phase: 'READY' }, outcome: DONE };
    } catch (error) {
      if (current !== undefined) this.#publish(fn, current);
      const known = this.#known(fn, current);
      const reason = [(error as Error).message];
      if (error instanceof NotYet)
        return { status: { ...known, ...observed, phase: 'INITIALIZED', reason }, outcome: DONE };
      const status: Status = { ...known, ...observed, phase: 'ERROR', reason };
      if (error instanceof NotAgainYet)
        return { status, outcome: { result: 'requeueAfter', ms: error.at - this.#context.now() } };
      if (isUsers(error)) return { status, outcome: { result: 'terminal', reason: reason[0]! } };
      this.#context.log.warn(
        { err: error, function: keyOfFunction(fn) },
        'a function could not be made ready',
      );
      return { status, outcome: { result: 'requeueAfter', ms: RETRY_MS } };
    }
  }

  forget(key: string): void {
    const { link, fleet } = this.#context;
    link.remove(key);
    for (const revision of fleet.revisionsOf(key)) fleet.release(key, revision);
    this.#broken.delete(key);
    this.#newest.delete(key);
  }

  #current(fn: FunctionObject): RevisionObject | undefined {
    const [cached] = this.#parts.revisions.of(fn);
    const own = this.#newest.get(keyOfFunction(fn));
    const isOwn = own?.metadata.ownerReferences?.some(({ uid }) => uid === fn.metadata.uid) === true;
    return isOwn && own.revision > (cached?.revision ?? 0) ? own : cached;
  }

  async #wanted(fn: FunctionObject, signal: AbortSignal): Promise<RevisionObject> {
    const { schema } = fn.spec;
    for (const item of [schema?.in, schema?.out]) if (item !== undefined) checkOf(item);
    const source = await this.#source(fn);
    return this.#parts.revisions.make(fn, source, await this.#image(fn, signal));
  }

  async #source({ metadata, spec }: FunctionObject): Promise<string | undefined> {
    const { sources } = this.#context;
    const namespace = metadata.namespace ?? '';
    const { files, digest } = spec.source ?? {};
    if (files !== undefined) return sources.put(namespace, filesOfTexts(files));
    if (digest !== undefined) {
      if ((await sources.get(namespace, digest)) !== undefined) return digest;
      throw new FunctionProblem(
        `The source ${digest} is not there: create or update the function with its files.`,
      );
    }
    if (spec.http) return undefined;
    throw new FunctionProblem(
      'The function has no source: give it files, or --http where its image answers HTTP.',
    );
  }

  async #image({ metadata, spec }: FunctionObject, signal: AbortSignal): Promise<ResolvedImage> {
    const namespace = metadata.namespace ?? '';
    const image = this.#parts.images.get(namespace, spec.image);
    if (image === undefined) {
      if (!spec.http && !spec.image.includes('/'))
        throw new FunctionProblem(
          `The image ${spec.image} is not there: make it with "dispatch create image".`,
        );
      const digest = await this.#context.host.resolve(spec.image, namespace, signal).catch((error: Error) => {
        throw new FunctionProblem(error.message, { cause: error });
      });
      return { reference: spec.image, digest, language: languageOf(spec.image) };
    }
    const { phase, reason, image: reference, digest, language } = image.status ?? {};
    if (phase === 'ERROR')
      throw new FunctionProblem(`The image ${spec.image} has failed: ${reason?.[0] ?? 'see its status'}`);
    if (reference === undefined || digest === undefined)
      throw new NotYet(`The image ${spec.image} is not READY yet.`);
    return { reference, digest, language: language ?? '' };
  }

  /** Images whose language none of our programs speaks may make functions by a template of theirs. */
  async #built(fn: FunctionObject, revision: RevisionObject, signal: AbortSignal): Promise<RevisionObject> {
    const { host, maker, sources } = this.#context;
    const { template, image } = revision.data;
    if (template.http || host.speaks(plainLanguage(image.language))) return revision;
    const { name = '', namespace = '' } = fn.metadata;
    const request = await imageRequestOf({ namespace, name }, revision.data, sources);
    const built = await maker.byTemplate(request, signal);
    if (built === undefined) return revision;
    const own = { reference: built.image, digest: built.digest };
    return { ...revision, data: { ...revision.data, own } };
  }

  #refuseBroken(fn: FunctionObject, wanted: RevisionObject): void {
    const broken = this.#broken.get(keyOfFunction(fn));
    if (broken === undefined || broken.revision !== wanted.metadata.name) return;
    const { message, retryAt } = broken;
    if (retryAt === undefined) throw new LoadError(message);
    // Its own status wakes the controller: without this it would be tried without a pause.
    if (this.#context.now() < retryAt) throw new NotAgainYet(message, retryAt);
  }

  /** Resolves to the revision as it is kept, once a process has shown that it can be called. */
  async #try(fn: FunctionObject, wanted: RevisionObject, signal: AbortSignal): Promise<RevisionObject> {
    const { fleet, now } = this.#context;
    const key = keyOfFunction(fn);
    const revision = wanted.metadata.name ?? '';
    try {
      const made = await this.#built(fn, wanted, signal);
      const plan = planOf(fn, made);
      fleet.set(plan);
      await fleet.add(plan);
      this.#broken.delete(key);
      return made;
    } catch (error) {
      fleet.release(key, revision);
      const retryAt = isUsers(error) ? undefined : now() + RETRY_MS;
      this.#broken.set(key, { revision, message: (error as Error).message, retryAt });
      throw error;
    }
  }

  /** Tells who is called, and with how large a share. Resolves to the revisions that are. */
  #publish(fn: FunctionObject, current: RevisionObject): ReadonlySet<string> {
    const { link, fleet } = this.#context;
    const key = keyOfFunction(fn);
    const shares = this.#shares(fn, current);
    for (const { revision } of shares) fleet.set(planOf(fn, revision));
    const { namespace = '' } = fn.metadata;
    const secrets = secretsOf(this.#parts.secrets, namespace, fn.spec.secrets ?? []);
    const services = servicesOf(this.#parts.secrets, namespace, fn.spec.services ?? []);
    const config: FunctionConfig = {
      key,
      revisions: shares.map(({ revision, weight }) => configOf(revision, weight)),
      secrets: secrets.text,
      services: services.text,
      missing: [...secrets.missing, ...services.missing],
    };
    link.set(config);
    const used = new Set(shares.map(({ revision }) => revision.metadata.name ?? ''));
    for (const name of fleet.revisionsOf(key)) if (!used.has(name)) fleet.release(key, name);
    return used;
  }

  #shares(fn: FunctionObject, current: RevisionObject): { revision: RevisionObject; weight: number }[] {
    const all = this.#parts.revisions.of(fn);
    let left = 100;
    const others: { revision: RevisionObject; weight: number }[] = [];
    for (const { revision: name, weight } of fn.spec.traffic ?? []) {
      const revision = all.find(({ metadata }) => metadata.name === name);
      if (revision === undefined || name === current.metadata.name) continue;
      const share = Math.min(left, weight);
      left -= share;
      if (share > 0) others.push({ revision, weight: share });
    }
    return left > 0 ? [{ revision: current, weight: left }, ...others] : others;
  }

  async #tidy(fn: FunctionObject, used: ReadonlySet<string>): Promise<void> {
    const { revisions } = this.#parts;
    if (revisions.of(fn).length > KEPT) await revisions.prune(fn, used);
  }

  #known(fn: FunctionObject, current: RevisionObject | undefined): Status {
    const all = this.#parts.revisions.of(fn);
    const listed =
      current === undefined || all.some(({ metadata }) => metadata.name === current.metadata.name)
        ? all
        : [current, ...all];
    const instances = this.#context.fleet.countOf(keyOfFunction(fn));
    return {
      ...(current !== undefined && {
        revision: current.metadata.name ?? '',
        image: current.data.image.reference,
      }),
      ...(listed.length > 0 && {
        revisions: listed.map(({ metadata, revision, data }) => ({
          name: metadata.name ?? '',
          number: revision,
          createdAt: data.createdAt,
          image: data.image.reference,
        })),
      }),
      instances,
    };
  }
}

function isUsers(error: unknown): boolean {
  return (
    error instanceof FunctionProblem ||
    error instanceof LoadError ||
    error instanceof BadSourceError ||
    error instanceof BadSchemaError
  );
}

function languageOf(image: string): string {
  return /(nodejs|python3|java|powershell)/.exec(image)?.[1] ?? '';
}
