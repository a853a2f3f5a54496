import { isDeepStrictEqual } from 'node:util';
import type { KubeObject, Logger } from '../../kube/index.ts';
import type { PolicyRule } from '../auth/index.ts';
import { at, listAt } from '../kinds/index.ts';
import {
  matchesLabels,
  modify,
  parseEntry,
  type RegistryDeps,
  selectorOf,
  systemCall,
} from '../registry/index.ts';
import { coalesced } from './coalesced.ts';

const COLLECTION = 'rbac.authorization.k8s.io/clusterroles';

/** Keeps the rules of aggregated cluster roles equal to the sum of the roles that they select. */
export class AggregatedRoles {
  readonly #deps: RegistryDeps;
  readonly #log: Logger;

  constructor(deps: RegistryDeps, log: Logger) {
    this.#deps = deps;
    this.#log = log;
  }

  start(signal: AbortSignal): void {
    const { listeners } = this.#deps.store.shelf(COLLECTION);
    const wake = coalesced(() =>
      this.#sync().catch((error: unknown) =>
        this.#log.warn({ err: error }, 'aggregated roles could not be brought up to date'),
      ),
    );
    listeners.add(wake);
    signal.addEventListener('abort', () => listeners.delete(wake), { once: true });
    wake();
  }

  async #sync(): Promise<void> {
    const resource = this.#deps.catalog.find('rbac.authorization.k8s.io', 'v1', 'clusterroles');
    if (resource === undefined) return;
    const roles = [...this.#deps.store.shelf(COLLECTION).live.range('')].map(parseEntry);
    for (const role of roles) {
      if (at(role, 'aggregationRule') === undefined) continue;
      const rules = sumOf(role, roles);
      if (isDeepStrictEqual(rules, role['rules'] ?? [])) continue;
      const target = { resource, namespace: '', name: role.metadata.name ?? '', subresource: '' };
      await modify(this.#deps, target, systemCall('clusterrole-aggregation'), (current) => ({
        object: { ...current, rules },
      }));
    }
  }
}

function sumOf(role: KubeObject, roles: readonly KubeObject[]): PolicyRule[] {
  const selectors = listAt(role, 'aggregationRule.clusterRoleSelectors').map(selectorOf);
  const sources = roles.filter(
    (other) =>
      other.metadata.name !== role.metadata.name &&
      selectors.some((selector) => matchesLabels(selector, other.metadata.labels)),
  );
  const rules: PolicyRule[] = [];
  for (const rule of sources.flatMap((source) => (source['rules'] as PolicyRule[] | undefined) ?? [])) {
    if (!rules.some((known) => isDeepStrictEqual(known, rule))) rules.push(rule);
  }
  return rules;
}
