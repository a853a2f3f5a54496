import type { KubeClient } from '../kube/index.ts';

export interface Reviewed {
  username: string;
  uid?: string | undefined;
  groups?: readonly string[] | undefined;
}

/** Whether the API would let somebody do something. */
export async function isAllowed(
  client: KubeClient,
  { username, uid, groups }: Reviewed,
  attributes: { verb: string; resource: string; group?: string; namespace?: string; name?: string },
): Promise<boolean> {
  const { status } = await client.raw<{ status?: { allowed?: boolean } }>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    headers: { 'content-type': 'application/json' },
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: username,
        ...(uid && { uid }),
        groups: [...(groups ?? [])],
        resourceAttributes: attributes,
      },
    },
  });
  return status?.allowed === true;
}
