import type { ApiRequest } from '../apiserver/index.ts';
import { ApiError, type KubeClient } from '../kube/index.ts';

/** What somebody may not read, nobody reads for them. */
export async function mayReadSecrets(
  client: KubeClient,
  { name, uid, groups }: ApiRequest['user'],
  namespace: string,
  secrets: readonly string[],
): Promise<void> {
  for (const secret of secrets) {
    const review = await client.raw<{ status?: { allowed?: boolean } }>({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      headers: { 'content-type': 'application/json' },
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: name,
          ...(uid && { uid }),
          groups: [...groups],
          resourceAttributes: { verb: 'get', resource: 'secrets', namespace, name: secret },
        },
      },
    });
    if (review.status?.allowed !== true)
      throw new ApiError(
        'Forbidden',
        `${name} may not read the secret ${secret}, and so may not give it to a run.`,
      );
  }
}
