import { SERVICE_ACCOUNTS } from '../../../kube/index.ts';
import { commonOf, compact, type Flat, flag, metadataOf, text } from './flat.ts';
import { cell, created, specOf, statusOf } from './kinds-code.ts';
import { API_VERSION, type CliKind, ours } from './cli-kind.ts';

/** Where a service account keeps the key that its tokens are signed with. */
export const PUBLIC_KEY = 'dispatch.dev/public-key';

interface Rule {
  subjects?: string[];
  actions?: string[];
  resources?: string[];
}

export function rulesOf(flat: Flat): string {
  const [rule] = (flat['rules'] as Rule[] | undefined) ?? [];
  return rule === undefined ? '' : JSON.stringify(rule, undefined, 2);
}

export const iamKinds: readonly CliKind[] = [
  {
    kind: 'Policy',
    names: ['policy', 'policies'],
    resource: ours('policies'),
    columns: { Name: cell('name'), Global: cell('global'), 'Created Date': created },
    show: (object) => {
      const { global = false, rules } = specOf(object);
      return compact({ ...commonOf(object, 'Policy'), global, rules, ...statusOf(object) });
    },
    make: (flat, { namespace }) => ({
      apiVersion: API_VERSION,
      kind: 'Policy',
      metadata: metadataOf(flat, namespace),
      spec: compact({ global: flag(flat, 'global'), rules: flat['rules'] ?? [] }),
    }),
  },
  {
    kind: 'ServiceAccount',
    names: ['serviceaccount', 'serviceaccounts', 'service-account', 'service-accounts'],
    resource: SERVICE_ACCOUNTS,
    columns: { Name: cell('name'), 'Created Date': created },
    show: (object) => {
      const publicKey = object.metadata.annotations?.[PUBLIC_KEY];
      return compact({ ...commonOf(object, 'ServiceAccount'), publicKey, status: 'READY' });
    },
    make: (flat, { namespace }) => {
      const key = text(flat, 'publicKey');
      return {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: {
          ...metadataOf(flat, namespace),
          ...(key !== undefined && { annotations: { [PUBLIC_KEY]: key } }),
        },
      };
    },
  },
  {
    kind: 'Organization',
    names: ['organization', 'organizations', 'org', 'orgs'],
    resource: ours('organizations'),
    columns: { Name: cell('name'), 'Created Date': created },
    show: (object) => compact({ ...commonOf(object, 'Organization'), ...statusOf(object) }),
    make: (flat, { namespace }) => ({
      apiVersion: API_VERSION,
      kind: 'Organization',
      metadata: metadataOf(flat, namespace),
      spec: compact({ description: text(flat, 'description') }),
    }),
  },
];
