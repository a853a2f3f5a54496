import { APPLICATIONS, type Application } from '../../../gitops/index.ts';
import { type KubeClient, unlessGone } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';

export async function getApplication(
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<Application> {
  const found = await unlessGone(client.get<Application>(APPLICATIONS, namespace, name));
  if (found === undefined)
    throw new UserError(
      `There is no application ${name} in the namespace ${namespace}: see "dispatch gitops app list".`,
    );
  return found;
}

export async function patchApplication(
  client: KubeClient,
  { metadata }: Application,
  patch: object,
): Promise<Application> {
  const { namespace = '', name = '' } = metadata;
  return client.patch<Application>(APPLICATIONS, { namespace, name }, 'merge', patch);
}

/** What is no object: "manifests", "diff", "tree". */
export function inspect<T>(
  client: KubeClient,
  { metadata }: Application,
  what: string,
  revision?: string,
): Promise<T> {
  const { namespace = '', name = '' } = metadata;
  return client.raw<T>({
    method: 'GET',
    path: `/apis/run.dispatch.dev/v1alpha1/namespaces/${namespace}/applications/${encodeURIComponent(name)}/${what}`,
    ...(revision !== undefined && { query: new URLSearchParams({ revision }) }),
  });
}

/** Follows an application until it is as it should be. */
export async function until(
  client: KubeClient,
  { metadata }: Application,
  {
    isReached,
    timeoutMs,
    what,
  }: { isReached: (app: Application) => boolean; timeoutMs: number; what: string },
): Promise<Application> {
  const { namespace = '', name = '' } = metadata;
  const signal = AbortSignal.timeout(timeoutMs);
  let last: Application | undefined;
  try {
    while (!signal.aborted) {
      last = await getApplication(client, namespace, name);
      if (isReached(last)) return last;
      const events = client.watch<Application>(APPLICATIONS, {
        namespace,
        fieldSelector: `metadata.name=${name}`,
        resourceVersion: last.metadata.resourceVersion ?? '',
        timeoutSeconds: 60,
        signal,
      });
      for await (const { type, object } of events) {
        if (type === 'DELETED') throw new UserError(`The application ${name} was deleted.`);
        last = object;
        if (isReached(object)) return object;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  const { sync, health, operationState, conditions = [] } = last?.status ?? {};
  const why = [
    operationState?.phase === 'Running' ? operationState.message : undefined,
    ...conditions.map((item) => item.message),
  ].filter((item) => item);
  throw new UserError(
    `After ${Math.round(timeoutMs / 1000)} s the application ${name} is not ${what}: it is ${sync?.status ?? 'Unknown'} and ${health?.status ?? 'Unknown'}${why.length > 0 ? ` (${why.join(' ')})` : ''}.`,
  );
}
