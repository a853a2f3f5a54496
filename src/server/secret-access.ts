import type { ApiRequest } from '../apiserver/index.ts';
import { ApiError, type KubeClient } from '../kube/index.ts';
import { isAllowed } from './access-review.ts';

/** What somebody may not read, nobody reads for them. */
export async function mayReadSecrets(
  client: KubeClient,
  { name: username, uid, groups }: ApiRequest['user'],
  namespace: string,
  secrets: readonly string[],
): Promise<void> {
  for (const name of secrets)
    if (
      !(await isAllowed(
        client,
        { username, uid, groups },
        { verb: 'get', resource: 'secrets', namespace, name },
      ))
    )
      throw new ApiError(
        'Forbidden',
        `${username} may not read the secret ${name}, and so may not give it to a run.`,
      );
}
