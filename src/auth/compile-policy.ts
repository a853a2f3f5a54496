import type { PolicyObject } from './resources.ts';

export interface RbacRule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

export interface RbacSubject {
  kind: 'User' | 'Group' | 'ServiceAccount';
  name: string;
  namespace?: string;
  apiGroup?: string;
}

/** A role and whom it is given to. */
export interface Grant {
  rules: RbacRule[];
  subjects: RbacSubject[];
}

const RBAC = 'rbac.authorization.k8s.io';
const OURS = 'dispatch.dev';
const RUN = 'run.dispatch.dev';
const VERBS: Readonly<Record<string, readonly string[]>> = {
  get: ['get', 'list', 'watch'],
  create: ['create'],
  update: ['update', 'patch'],
  delete: ['delete', 'deletecollection'],
};
const RESOURCES: Readonly<Record<string, readonly { group: string; resources: readonly string[] }[]>> = {
  api: [{ group: OURS, resources: ['endpoints'] }],
  baseimage: [{ group: OURS, resources: ['baseimages'] }],
  event: [
    { group: OURS, resources: ['eventdrivers', 'eventdrivertypes'] },
    { group: RUN, resources: ['cloudevents'] },
  ],
  function: [
    { group: OURS, resources: ['functions'] },
    { group: RUN, resources: ['functionsources', 'functionimages'] },
  ],
  iam: [
    { group: OURS, resources: ['policies', 'organizations'] },
    { group: '', resources: ['serviceaccounts'] },
  ],
  image: [{ group: OURS, resources: ['images'] }],
  runs: [{ group: RUN, resources: ['functionruns', 'functionruns/log', 'functionruns/redrive'] }],
  secret: [{ group: '', resources: ['secrets'] }],
  service: [],
  subscription: [
    { group: OURS, resources: ['subscriptions'] },
    { group: RUN, resources: ['subscriptions/replay'] },
  ],
};

/** What a policy means in the words of RBAC, one grant for each of its rules, and what is wrong with it. */
export function compilePolicy({ metadata, spec }: PolicyObject): { grants: Grant[]; problems: string[] } {
  const problems: string[] = [];
  const grants = spec.rules.map(({ subjects, actions, resources }): Grant => {
    const verbs = expand(actions, VERBS, (name) => problems.push(unknown('action', name, VERBS)));
    const places = expand(resources, RESOURCES, (name) =>
      problems.push(unknown('resource', name, RESOURCES)),
    );
    return {
      rules: places.map(({ group, resources: names }) => ({
        apiGroups: [group],
        resources: [...names],
        verbs: [...new Set(verbs)],
      })),
      subjects: subjects.flatMap((name) => subjectsOf(name, metadata.namespace ?? '')),
    };
  });
  return { grants, problems };
}

function expand<T>(
  names: readonly string[],
  table: Readonly<Record<string, readonly T[]>>,
  isUnknown: (name: string) => void,
): T[] {
  if (names.includes('*')) return Object.values(table).flat();
  return names.flatMap((name) => {
    if (!Object.hasOwn(table, name)) isUnknown(name);
    return Object.hasOwn(table, name) ? table[name]! : [];
  });
}

function unknown(what: string, name: string, table: object): string {
  return `There is no ${what} ${JSON.stringify(name)}: choose ${Object.keys(table).join(', ')} or "*".`;
}

/** "organisation/account" is an account; a name alone is a user, and the account of that name beside the policy. */
function subjectsOf(name: string, namespace: string): RbacSubject[] {
  if (name === '*') return [{ kind: 'Group', name: 'system:authenticated', apiGroup: RBAC }];
  const slash = name.indexOf('/');
  if (slash > 0)
    return [{ kind: 'ServiceAccount', namespace: name.slice(0, slash), name: name.slice(slash + 1) }];
  const user: RbacSubject = { kind: 'User', name, apiGroup: RBAC };
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)
    ? [user, { kind: 'ServiceAccount', namespace, name }]
    : [user];
}
