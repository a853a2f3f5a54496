import type { Adoption, Application } from '../../../gitops/index.ts';
import type { KubeClient } from '../../../kube/index.ts';

function post<T>(client: KubeClient, { metadata }: Application, verb: string, body: object): Promise<T> {
  return client.raw<T>({
    method: 'POST',
    path: `/apis/run.dispatch.dev/v1alpha1/namespaces/${metadata.namespace}/applications/${encodeURIComponent(metadata.name ?? '')}/${verb}`,
    headers: { 'content-type': 'application/json' },
    body,
  });
}

/** What is to be told of a change request with what was changed by hand. */
export async function adopt(
  client: KubeClient,
  app: Application,
  title: string | undefined,
): Promise<string> {
  const made = await post<Adoption>(client, app, 'adopt', { ...(title !== undefined && { title }) });
  const objects = made.objects.map((item) => `  ${item}\n`).join('');
  const left =
    made.left.length === 0
      ? ''
      : `\nTo be looked after by hand:\n${made.left.map((item) => `  ${item}\n`).join('')}`;
  return `${made.url}\n${objects}${left}`;
}

export async function revert(client: KubeClient, app: Application, revision: string): Promise<string> {
  const { commit, branch } = await post<{ commit: string; branch: string }>(client, app, 'revert', {
    revision,
  });
  return `${branch} is at ${commit.slice(0, 12)}, with everything as it was at ${revision.slice(0, 12)}\n`;
}
