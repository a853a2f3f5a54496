import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import type { Access, AdminToken, Rbac, ServiceAccountTokens } from '../auth/index.ts';
import { ADMIN, ISSUER } from '../auth/index.ts';
import type { Resource } from '../kinds/index.ts';
import { at, listAt, textAt } from '../kinds/index.ts';
import { decodeObject, type User } from '../registry/index.ts';
import { readBody } from './body.ts';
import { callOf } from './options.ts';
import type { ApiRequest, Reply, RequestInfo } from './request.ts';

export interface ReviewDeps {
  rbac: Rbac;
  tokens: ServiceAccountTokens;
  adminToken: AdminToken;
}

type Review = (
  deps: ReviewDeps,
  review: KubeObject,
  user: User,
  namespace: string,
) => Promise<unknown> | unknown;

/** Kinds that are questions: creating one gives the answer, nothing is stored. */
const REVIEWS: Record<string, Review> = {
  tokenreviews: tokenReview,
  selfsubjectreviews: (_, __, user) => ({ userInfo: userInfo(user) }),
  subjectaccessreviews: (deps, review) => accessReview(deps, review, subjectOf(review), undefined),
  localsubjectaccessreviews: (deps, review, _, namespace) =>
    accessReview(deps, review, subjectOf(review), namespace),
  selfsubjectaccessreviews: (deps, review, user) => accessReview(deps, review, user, undefined),
  selfsubjectrulesreviews: (deps, review, user) =>
    rulesReview(deps, user, textAt(review, 'spec.namespace') ?? ''),
};

export function isReview(resource: Resource): boolean {
  return Object.hasOwn(REVIEWS, resource.plural) && resource.definition === undefined;
}

export async function handleReview(
  deps: ReviewDeps,
  request: ApiRequest,
  info: RequestInfo,
  resource: Resource,
): Promise<Reply> {
  if (info.verb !== 'create')
    throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  const review = decodeObject(resource, readBody(request), callOf(request));
  review['status'] = await REVIEWS[resource.plural]!(deps, review, request.user, info.namespace);
  review.metadata = { creationTimestamp: null };
  return { status: 201, headers: { 'content-type': 'application/json' }, body: JSON.stringify(review) };
}

export function userInfo(user: User): Record<string, unknown> {
  return {
    username: user.name,
    ...(user.uid && { uid: user.uid }),
    groups: user.groups,
    ...(user.extra && { extra: user.extra }),
  };
}

async function tokenReview(deps: ReviewDeps, review: KubeObject): Promise<unknown> {
  const token = textAt(review, 'spec.token') ?? '';
  const audiences = listAt(review, 'spec.audiences').map(String);
  const found =
    token === ''
      ? undefined
      : await deps.tokens.authenticate(token, audiences.length > 0 ? audiences : [ISSUER]);
  (review['spec'] as Record<string, unknown>)['token'] = '';
  if (found === undefined && audiences.length === 0 && deps.adminToken.matches(token))
    return { authenticated: true, user: userInfo(ADMIN), audiences: [ISSUER] };
  if (found === undefined) return { user: {}, error: 'invalid bearer token' };
  return { authenticated: true, user: userInfo(found.user), audiences: found.audiences };
}

function subjectOf(review: KubeObject): User {
  const name = textAt(review, 'spec.user') ?? '';
  const groups = listAt(review, 'spec.groups').map(String);
  if (name === '' && groups.length === 0) {
    throw new ApiError(
      'Invalid',
      `${review.kind}.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified`,
    );
  }
  return { name, groups };
}

function accessReview(
  deps: ReviewDeps,
  review: KubeObject,
  user: User,
  namespace: string | undefined,
): unknown {
  const access = accessOf(review, user);
  if (namespace !== undefined && access.namespace !== namespace) {
    throw new ApiError(
      'BadRequest',
      `spec.resourceAttributes.namespace must match the namespace on the URL (${namespace})`,
    );
  }
  const allowed = deps.rbac.allows(access);
  return { allowed, ...(!allowed && { reason: '' }) };
}

function accessOf(review: KubeObject, user: User): Access {
  const path = at(review, 'spec.nonResourceAttributes');
  if (isRecord(path)) {
    return {
      user,
      verb: textAt(path, 'verb') ?? '',
      path: textAt(path, 'path') ?? '',
      group: '',
      plural: '',
      subresource: '',
      namespace: '',
      name: '',
    };
  }
  const wanted = at(review, 'spec.resourceAttributes');
  if (!isRecord(wanted)) {
    throw new ApiError(
      'Invalid',
      `${review.kind}.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified`,
    );
  }
  const text = (key: string): string => textAt(wanted, key) ?? '';
  return {
    user,
    verb: text('verb'),
    group: text('group'),
    plural: text('resource'),
    subresource: text('subresource'),
    namespace: text('namespace'),
    name: text('name'),
  };
}

function rulesReview(deps: ReviewDeps, user: User, namespace: string): unknown {
  const rules = deps.rbac.rulesFor(user, namespace);
  return {
    resourceRules: rules
      .filter((rule) => rule.resources !== undefined)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        apiGroups,
        resources,
        ...(resourceNames && { resourceNames }),
      })),
    nonResourceRules: rules
      .filter((rule) => rule.nonResourceURLs !== undefined)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: false,
  };
}
