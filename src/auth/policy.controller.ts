import { createHash } from 'node:crypto';
import {
  Controller,
  type ControllerContext,
  DONE,
  hasFinalizer,
  type Informer,
  type KubeObject,
  type Outcome,
  type Request,
  type ResourceRef,
  unlessGone,
  withFinalizer,
  withoutFinalizer,
  writeStatus,
} from '../kube/index.ts';
import { compilePolicy, type Grant } from './compile-policy.ts';
import { POLICIES, type PolicyObject } from './resources.ts';

const RBAC = 'rbac.authorization.k8s.io';
const FINALIZER = 'dispatch.dev/policy';
const OWNER = 'dispatch.dev/policy';

function rbac(plural: string, namespaced: boolean): ResourceRef {
  return { group: RBAC, version: 'v1', plural, namespaced };
}

const PLACES = {
  namespaced: {
    role: { ref: rbac('roles', true), kind: 'Role' },
    binding: { ref: rbac('rolebindings', true), kind: 'RoleBinding' },
  },
  global: {
    role: { ref: rbac('clusterroles', false), kind: 'ClusterRole' },
    binding: { ref: rbac('clusterrolebindings', false), kind: 'ClusterRoleBinding' },
  },
};

/**
 * Makes roles and bindings of policies: one API decides, and it knows RBAC only. Whoever may write policies of a
 * namespace may give rights in it. Rights in all namespaces come from the system's namespace only, where nobody
 * writes but administrators.
 */
export class PolicyController {
  readonly #context: ControllerContext;
  readonly #systemNamespace: string;
  readonly #policies: Informer<PolicyObject>;
  readonly #controller: Controller;

  constructor(context: ControllerContext, systemNamespace: string) {
    this.#context = context;
    this.#systemNamespace = systemNamespace;
    this.#policies = context.informers.for<PolicyObject>(POLICIES);
    this.#controller = new Controller({
      name: 'policy',
      log: context.log,
      reconcile: (request) => this.#reconcile(request),
    }).for(this.#policies);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile({ namespace, name }: Request): Promise<Outcome> {
    const policy = this.#policies.get(namespace, name);
    if (policy === undefined) return DONE;
    const { client } = this.#context;
    if (policy.metadata.deletionTimestamp !== undefined) {
      await this.#remove(policy, new Set());
      if (hasFinalizer(policy, FINALIZER))
        await unlessGone(
          client.patch(POLICIES, { namespace, name }, 'merge', {
            metadata: { finalizers: withoutFinalizer(policy, FINALIZER) },
          }),
        );
      return DONE;
    }
    if (!hasFinalizer(policy, FINALIZER)) {
      await client.patch(POLICIES, { namespace, name }, 'merge', {
        metadata: { finalizers: withFinalizer(policy, FINALIZER) },
      });
    }
    const { grants, problems } = compilePolicy(policy);
    const isGlobal = policy.spec.global === true;
    if (isGlobal && namespace !== this.#systemNamespace)
      problems.push(`A policy for all namespaces has to be in the namespace ${this.#systemNamespace}.`);
    if (problems.length > 0) {
      await this.#remove(policy, new Set());
      await writeStatus(client, POLICIES, policy, { phase: 'ERROR', reason: problems });
      return DONE;
    }
    const kept = new Set<string>();
    for (const [at, grant] of grants.entries()) {
      const own = `${prefixOf(policy)}${at}`;
      kept.add(own);
      await this.#grant(policy, own, grant);
    }
    await this.#remove(policy, kept);
    await writeStatus(client, POLICIES, policy, { phase: 'READY' });
    return DONE;
  }

  async #grant(policy: PolicyObject, name: string, { rules, subjects }: Grant): Promise<void> {
    const { role, binding } = policy.spec.global === true ? PLACES.global : PLACES.namespaced;
    const metadata = {
      name,
      ...(role.ref.namespaced && { namespace: policy.metadata.namespace ?? '' }),
      labels: { [OWNER]: labelOf(policy) },
    };
    const apiVersion = `${RBAC}/v1`;
    const { client } = this.#context;
    await client.apply<KubeObject>(
      role.ref,
      { apiVersion, kind: role.kind, metadata, rules },
      { force: true },
    );
    await client.apply<KubeObject>(
      binding.ref,
      {
        apiVersion,
        kind: binding.kind,
        metadata,
        roleRef: { apiGroup: RBAC, kind: role.kind, name },
        subjects,
      },
      { force: true },
    );
  }

  /** What the policy does not say any more, in either place. */
  async #remove(policy: PolicyObject, kept: ReadonlySet<string>): Promise<void> {
    const { client } = this.#context;
    const isGlobal = policy.spec.global === true;
    for (const [place, { role, binding }] of Object.entries(PLACES))
      for (const { ref } of [binding, role]) {
        const { items } = await client.list<KubeObject>(ref, {
          ...(ref.namespaced && { namespace: policy.metadata.namespace ?? '' }),
          labelSelector: `${OWNER}=${labelOf(policy)}`,
        });
        for (const { metadata } of items) {
          const name = metadata.name ?? '';
          if (kept.has(name) && (place === 'global') === isGlobal) continue;
          await unlessGone(client.delete(ref, metadata.namespace ?? '', name));
        }
      }
  }
}

function prefixOf({ metadata }: PolicyObject): string {
  return `policy:${metadata.namespace}:${metadata.name}:`;
}

function labelOf({ metadata }: PolicyObject): string {
  return createHash('sha256').update(`${metadata.namespace}/${metadata.name}`).digest('hex').slice(0, 32);
}
