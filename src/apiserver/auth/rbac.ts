import { isRecord, type KubeObject } from '../../kube/index.ts';
import { parseEntry, type User } from '../registry/index.ts';
import type { Store } from '../store/index.ts';

export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** What somebody wants to do. */
export interface Access {
  user: User;
  verb: string;
  /** Set for paths that are no objects. */
  path?: string;
  group: string;
  plural: string;
  subresource: string;
  namespace: string;
  name: string;
}

interface Binding {
  /** '' for the whole cluster. */
  namespace: string;
  subjects: ReadonlySet<string>;
  rules: readonly PolicyRule[];
}

const COLLECTIONS = ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map(
  (plural) => `rbac.authorization.k8s.io/${plural}`,
);
const CACHE = 10_000;

/** Role-based access control over the roles and bindings in the store. */
export class Rbac {
  readonly #store: Store;
  #bindings: Binding[] | undefined;
  readonly #decisions = new Map<string, boolean>();

  constructor(store: Store) {
    this.#store = store;
    for (const collection of COLLECTIONS) {
      store.shelf(collection).listeners.add(() => {
        this.#bindings = undefined;
        this.#decisions.clear();
      });
    }
  }

  allows(access: Access): boolean {
    if (access.user.groups.includes('system:masters')) return true;
    const { user, verb, path = '', group, plural, subresource, namespace, name } = access;
    const key = [
      user.name,
      user.groups.join(','),
      verb,
      path,
      group,
      plural,
      subresource,
      namespace,
      name,
    ].join('\n');
    const known = this.#decisions.get(key);
    if (known !== undefined) return known;
    const allowed = this.rulesFor(user, namespace).some((rule) => ruleAllows(rule, access));
    if (this.#decisions.size >= CACHE) this.#decisions.clear();
    this.#decisions.set(key, allowed);
    return allowed;
  }

  /** All rules that hold for the user in a namespace; '' for rules that hold everywhere. */
  rulesFor(user: User, namespace: string): PolicyRule[] {
    if (user.groups.includes('system:masters'))
      return [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
        { verbs: ['*'], nonResourceURLs: ['*'] },
      ];
    this.#bindings ??= this.#load();
    const names = [`User:${user.name}`, ...user.groups.map((group) => `Group:${group}`)];
    return this.#bindings
      .filter(
        (binding) =>
          (binding.namespace === '' || binding.namespace === namespace) &&
          names.some((name) => binding.subjects.has(name)),
      )
      .flatMap((binding) => binding.rules);
  }

  /** Whether the user holds every right of `rules` in the namespace: nobody gives away more than they have. */
  covers(user: User, namespace: string, rules: readonly PolicyRule[]): boolean {
    const own = this.rulesFor(user, namespace);
    return rules.flatMap(singleRights).every((right) => own.some((rule) => ruleCovers(rule, right)));
  }

  rulesOf(kind: string, name: string, namespace: string): PolicyRule[] | undefined {
    const entry =
      kind === 'ClusterRole'
        ? this.#store.get('rbac.authorization.k8s.io/clusterroles', `/${name}`)
        : this.#store.get('rbac.authorization.k8s.io/roles', `${namespace}/${name}`);
    return entry && ((parseEntry(entry)['rules'] as PolicyRule[] | undefined) ?? []);
  }

  #load(): Binding[] {
    const bindings: Binding[] = [];
    for (const plural of ['clusterrolebindings', 'rolebindings']) {
      for (const entry of this.#store.shelf(`rbac.authorization.k8s.io/${plural}`).live.range('')) {
        const binding = parseEntry(entry);
        const namespace = binding.metadata.namespace ?? '';
        const reference = isRecord(binding['roleRef']) ? binding['roleRef'] : {};
        const rules = this.rulesOf(String(reference['kind']), String(reference['name']), namespace) ?? [];
        bindings.push({ namespace, subjects: subjectsOf(binding), rules });
      }
    }
    return bindings;
  }
}

function subjectsOf(binding: KubeObject): Set<string> {
  const subjects = Array.isArray(binding['subjects']) ? binding['subjects'] : [];
  return new Set(
    subjects.filter(isRecord).map((subject) => {
      if (subject['kind'] !== 'ServiceAccount')
        return `${String(subject['kind'])}:${String(subject['name'])}`;
      return `User:system:serviceaccount:${String(subject['namespace'] ?? binding.metadata.namespace)}:${String(subject['name'])}`;
    }),
  );
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list?.includes('*') === true || list?.includes(value) === true;
}

function ruleAllows(rule: PolicyRule, access: Access): boolean {
  if (!has(rule.verbs, access.verb)) return false;
  if (access.path !== undefined)
    return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, access.path ?? ''));
  if (!has(rule.apiGroups, access.group)) return false;
  if (!resourceMatches(rule.resources ?? [], access.plural, access.subresource)) return false;
  return (rule.resourceNames ?? []).length === 0 || (rule.resourceNames ?? []).includes(access.name);
}

function resourceMatches(patterns: readonly string[], plural: string, subresource: string): boolean {
  const full = subresource === '' ? plural : `${plural}/${subresource}`;
  return patterns.some(
    (pattern) =>
      pattern === '*' || pattern === full || (subresource !== '' && pattern === `*/${subresource}`),
  );
}

function pathMatches(pattern: string, path: string): boolean {
  return pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}

interface Right {
  verb: string;
  group: string;
  resource: string;
  name: string | undefined;
  path: string | undefined;
}

function singleRights(rule: PolicyRule): Right[] {
  const rights: Right[] = [];
  for (const verb of rule.verbs) {
    for (const path of rule.nonResourceURLs ?? [])
      rights.push({ verb, group: '', resource: '', name: undefined, path });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const names = (rule.resourceNames ?? []).length > 0 ? rule.resourceNames! : [undefined];
        for (const name of names) rights.push({ verb, group, resource, name, path: undefined });
      }
    }
  }
  return rights;
}

function ruleCovers(rule: PolicyRule, right: Right): boolean {
  if (!has(rule.verbs, right.verb)) return false;
  if (right.path !== undefined)
    return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, right.path ?? ''));
  if (!has(rule.apiGroups, right.group)) return false;
  const [plural = '', subresource = ''] = right.resource.split('/');
  if (!resourceMatches(rule.resources ?? [], plural, subresource)) return false;
  const names = rule.resourceNames ?? [];
  return names.length === 0 || (right.name !== undefined && names.includes(right.name));
}
