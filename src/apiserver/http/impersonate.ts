import type { Rbac } from '../auth/index.ts';
import { accountGroups } from '../auth/index.ts';
import type { User } from '../registry/index.ts';
import { ApiError } from '../../kube/index.ts';
import { forbidden } from './core.ts';
import { type ApiRequest, headerOf } from './request.ts';

const EXTRA = 'impersonate-extra-';

/** The user that a request acts as. Each part of the other identity needs its own right. */
export function impersonate(rbac: Rbac, request: ApiRequest): User {
  if (!impersonates(request)) return request.user;
  const name = headerOf(request, 'impersonate-user');
  const groups = listHeader(request, 'impersonate-group');
  const uid = headerOf(request, 'impersonate-uid');
  const extra = extraOf(request);
  if (name === '') {
    if (groups.length > 0 || uid !== '' || extra.size > 0)
      throw new ApiError('BadRequest', 'Impersonate-Group, -Uid and -Extra need Impersonate-User.');
    return request.user;
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account !== null) demand(rbac, request.user, '', 'serviceaccounts', account[2]!, account[1]!);
  else demand(rbac, request.user, '', 'users', name);
  for (const group of groups) demand(rbac, request.user, '', 'groups', group);
  if (uid !== '') demand(rbac, request.user, 'authentication.k8s.io', 'uids', uid);
  for (const [key, values] of extra) {
    for (const value of values)
      demand(rbac, request.user, 'authentication.k8s.io', 'userextras', value, '', key);
  }
  const implied = account !== null && groups.length === 0 ? accountGroups(account[1]!) : groups;
  return {
    name,
    groups: [
      ...new Set([
        ...implied,
        name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated',
      ]),
    ],
    ...(uid !== '' && { uid }),
    ...(extra.size > 0 && { extra: Object.fromEntries(extra) }),
  };
}

function impersonates(request: ApiRequest): boolean {
  for (const header in request.headers) if (header.startsWith('impersonate-')) return true;
  return false;
}

function demand(
  rbac: Rbac,
  user: User,
  group: string,
  plural: string,
  name: string,
  namespace = '',
  subresource = '',
): void {
  const access = { user, verb: 'impersonate', group, plural, subresource, namespace, name };
  if (!rbac.allows(access)) throw forbidden(access);
}

function listHeader(request: ApiRequest, name: string): string[] {
  const value = request.headers[name];
  if (value === undefined) return [];
  // Node joins repeated headers with commas; group names have none.
  return [value]
    .flat()
    .flatMap((item) => item.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function extraOf(request: ApiRequest): Map<string, string[]> {
  const extra = new Map<string, string[]>();
  for (const [header, value] of Object.entries(request.headers)) {
    if (header.startsWith(EXTRA) && value !== undefined)
      extra.set(decodeURIComponent(header.slice(EXTRA.length)), [value].flat());
  }
  return extra;
}
