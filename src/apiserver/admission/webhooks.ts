import {
  ApiError,
  CelError,
  celValue,
  cloneJson,
  compileCel,
  isRecord,
  type KubeObject,
  type Logger,
} from '../../kube/index.ts';
import { userInfo } from '../http/reviews.ts';
import { apiVersionOf, at, listAt, textAt } from '../kinds/index.ts';
import { applyJsonPatch } from '../patch/index.ts';
import { type Attributes, matchesLabels, parseEntry, selectorOf, shape } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import type { WebhookClient } from '../webhook/index.ts';
import type { Plugin } from './chain.ts';

const GROUP = 'admissionregistration.k8s.io';
const MUTATING = `${GROUP}/mutatingwebhookconfigurations`;
const VALIDATING = `${GROUP}/validatingwebhookconfigurations`;

interface Hook {
  configuration: string;
  webhook: Record<string, unknown>;
}

/** Asks the services that ValidatingWebhookConfigurations and MutatingWebhookConfigurations name. */
export function webhookAdmission(store: Store, client: WebhookClient, log: Logger): Plugin {
  const mutating = new Hooks(store, MUTATING);
  const validating = new Hooks(store, VALIDATING);
  const run = new Runner(store, client, log);
  return {
    ownKinds: true,
    asksOthers: () => !mutating.isEmpty() || !validating.isEmpty(),
    mutate: (attributes) =>
      mutating.isEmpty() || isExempt(attributes) ? undefined : run.mutate(mutating.all(), attributes),
    validate: (attributes) =>
      validating.isEmpty() || isExempt(attributes) ? undefined : run.validate(validating.all(), attributes),
  };
}

/** A webhook must not be able to keep its own configuration from being repaired. */
function isExempt({ resource }: Attributes): boolean {
  return resource.group === GROUP;
}

class Hooks {
  readonly #store: Store;
  readonly #collection: string;
  #known: Hook[] | undefined;

  constructor(store: Store, collection: string) {
    this.#store = store;
    this.#collection = collection;
    store.shelf(collection).listeners.add(() => {
      this.#known = undefined;
    });
  }

  isEmpty(): boolean {
    return this.#store.shelf(this.#collection).live.size === 0;
  }

  all(): Hook[] {
    this.#known ??= [...this.#store.shelf(this.#collection).live.range('')]
      .map(parseEntry)
      .flatMap((object) =>
        listAt(object, 'webhooks')
          .filter(isRecord)
          .map((webhook) => ({ configuration: object.metadata.name ?? '', webhook })),
      );
    return this.#known;
  }
}

class Runner {
  readonly #store: Store;
  readonly #client: WebhookClient;
  readonly #log: Logger;

  constructor(store: Store, client: WebhookClient, log: Logger) {
    this.#store = store;
    this.#client = client;
    this.#log = log;
  }

  async mutate(hooks: readonly Hook[], attributes: Attributes): Promise<void> {
    let changed = false;
    const called = new Map<Hook, string>();
    for (const hook of hooks) {
      if (!this.#applies(hook, attributes)) continue;
      if (await this.#mutateBy(hook, attributes)) changed = true;
      called.set(hook, JSON.stringify(attributes.object));
    }
    // Hooks that want to see what later ones did get one more look.
    for (const [hook, seen] of called) {
      if (hook.webhook['reinvocationPolicy'] !== 'IfNeeded' || JSON.stringify(attributes.object) === seen)
        continue;
      if (await this.#mutateBy(hook, attributes)) changed = true;
    }
    if (changed && attributes.object !== undefined && attributes.kind === undefined)
      shape(attributes.resource, attributes.resource.schema, attributes.object, {
        ...attributes.call,
        fieldValidation: 'Ignore',
      });
  }

  async validate(hooks: readonly Hook[], attributes: Attributes): Promise<void> {
    const relevant = hooks.filter((hook) => this.#applies(hook, attributes));
    await Promise.all(relevant.map((hook) => this.#ask(hook, attributes)));
  }

  async #mutateBy(hook: Hook, attributes: Attributes): Promise<boolean> {
    const response = await this.#ask(hook, attributes);
    const patch = textAt(response, 'patch');
    if (patch === undefined || attributes.object === undefined) return false;
    const { object } = attributes;
    const patched = applyJsonPatch(
      cloneJson(object),
      JSON.parse(Buffer.from(patch, 'base64').toString()),
    ) as KubeObject;
    for (const key of Object.keys(object)) delete object[key];
    Object.assign(object, patched);
    return true;
  }

  /** The response part of the review, or undefined when the hook failed and may be ignored. */
  async #ask(hook: Hook, attributes: Attributes): Promise<unknown> {
    const { webhook } = hook;
    const name = textAt(webhook, 'name') ?? '';
    if (attributes.call.dryRun && !['None', 'NoneOnDryRun'].includes(String(webhook['sideEffects']))) {
      throw new ApiError('BadRequest', `admission webhook ${JSON.stringify(name)} does not support dry run`);
    }
    const uid = crypto.randomUUID();
    let response: unknown;
    try {
      const answer = await this.#client.call(
        webhook['clientConfig'],
        reviewOf(uid, attributes),
        Number(webhook['timeoutSeconds'] ?? 10) * 1000,
      );
      response = at(answer, 'response');
      if (at(response, 'uid') !== uid) throw new Error('its answer has another uid');
    } catch (error) {
      this.#log.warn({ err: error, webhook: name }, 'an admission webhook failed');
      if (webhook['failurePolicy'] === 'Ignore') return undefined;
      throw new ApiError(
        'InternalError',
        `Internal error occurred: failed calling webhook ${JSON.stringify(name)}: ${error instanceof Error ? error.message : String(error)}`,
        undefined,
        error,
      );
    }
    for (const warning of listAt(response, 'warnings')) attributes.call.warnings.push(String(warning));
    if (at(response, 'allowed') === true) return response;
    throw denied(name, response);
  }

  #applies(hook: Hook, attributes: Attributes): boolean {
    const { webhook } = hook;
    if (!listAt(webhook, 'rules').some((rule) => ruleMatches(rule, attributes))) return false;
    const subject = attributes.object ?? attributes.before;
    if (!matchesLabels(selectorOf(webhook['objectSelector']), subject?.metadata.labels)) return false;
    if (!matchesLabels(selectorOf(webhook['namespaceSelector']), this.#namespaceLabels(attributes)))
      return false;
    return listAt(webhook, 'matchConditions').every((condition) => conditionHolds(condition, attributes));
  }

  #namespaceLabels(attributes: Attributes): Record<string, string> | undefined {
    if (attributes.resource.collection === '/namespaces')
      return (attributes.object ?? attributes.before)?.metadata.labels;
    if (attributes.namespace === '') return undefined;
    const entry = this.#store.latest('/namespaces', `/${attributes.namespace}`);
    return entry && parseEntry(entry).metadata.labels;
  }
}

function denied(name: string, response: unknown): ApiError {
  const message = textAt(response, 'status.message');
  const reason = textAt(response, 'status.reason');
  const text = `admission webhook ${JSON.stringify(name)} denied the request${message || reason ? `: ${message ?? reason}` : ' without explanation'}`;
  return new ApiError(Number(at(response, 'status.code')) === 400 ? 'BadRequest' : 'Forbidden', text);
}

function ruleMatches(rule: unknown, { operation, resource, subresource, namespace }: Attributes): boolean {
  const has = (path: string, value: string): boolean =>
    listAt(rule, path).some((item) => item === '*' || item === value);
  const scope = textAt(rule, 'scope') ?? '*';
  if (scope === 'Namespaced' && namespace === '') return false;
  if (scope === 'Cluster' && namespace !== '') return false;
  const full = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`;
  const resources = listAt(rule, 'resources').map(String);
  const matches = resources.some(
    (item) =>
      item === '*/*' ||
      item === full ||
      (item === '*' && subresource === '') ||
      item === `*/${subresource}` ||
      item === `${resource.plural}/*`,
  );
  return (
    matches &&
    has('operations', operation) &&
    has('apiGroups', resource.group) &&
    has('apiVersions', resource.version)
  );
}

function conditionHolds(condition: unknown, attributes: Attributes): boolean {
  const variables = ['object', 'oldObject', 'request'];
  try {
    const program = compileCel(textAt(condition, 'expression') ?? '', variables);
    return (
      program.run({
        object: celValue(undefined, attributes.object ?? null),
        oldObject: celValue(undefined, attributes.before ?? null),
        request: celValue(undefined, requestOf('', attributes)),
      }) === true
    );
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new ApiError(
      'InternalError',
      `The match condition ${textAt(condition, 'name')} could not be evaluated: ${error.message}`,
    );
  }
}

function reviewOf(uid: string, attributes: Attributes): Record<string, unknown> {
  return { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: requestOf(uid, attributes) };
}

function requestOf(uid: string, attributes: Attributes): Record<string, unknown> {
  const { resource, subresource, operation, name, namespace, object, before, call, options } = attributes;
  const { group, version, plural } = resource;
  const kind = attributes.kind ?? { group, version, kind: resource.kind };
  return {
    uid,
    kind,
    resource: { group, version, resource: plural },
    requestKind: kind,
    requestResource: { group, version, resource: plural },
    ...(subresource && { subResource: subresource, requestSubResource: subresource }),
    ...(name && { name }),
    ...(namespace && { namespace }),
    operation,
    userInfo: userInfo(call.user),
    object: object ?? null,
    oldObject: before ?? null,
    dryRun: call.dryRun,
    options: {
      ...options,
      apiVersion: options['apiVersion'] ?? apiVersionOf({ group: 'meta.k8s.io', version: 'v1' }),
    },
  };
}
