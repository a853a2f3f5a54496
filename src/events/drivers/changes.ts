import { isApiError, type KubeObject, pause, type ResourceRef, type WatchEvent } from '../../kube/index.ts';
import { type BuiltinDriver, DriverProblem, type DriverRun, settingOf } from './driver.ts';

const RETRY_MS = 1000;
const VERBS: Readonly<Record<string, string>> = { ADDED: 'added', MODIFIED: 'updated', DELETED: 'deleted' };

/** Changes of objects of the driver's own namespace. */
export const kubernetes: BuiltinDriver = (run) => {
  const resource = resourceOf(run);
  const stop = new AbortController();
  void follow(run, resource, stop.signal);
  return { [Symbol.dispose]: () => stop.abort() };
};

/** Pushes, change requests and the like of the repositories of the driver's namespace. */
export const git: BuiltinDriver = (run) => {
  const only = run.settings.get('repository') ?? '';
  return run.sources.onGit(async ({ id, namespace, repository, type, data }) => {
    if (namespace !== run.namespace || (only !== '' && only !== repository)) return;
    await run.emit({ id, type: `git.${type}`, source: `git/${namespace}/${repository}`, data });
  });
};

/** Images that get a tag in the registry of this server, in the namespace of the driver. */
export const registry: BuiltinDriver = (run) =>
  run.sources.onImage(async ({ namespace, image, tag, digest }) => {
    if (namespace !== run.namespace) return;
    const data = { image, tag, digest };
    await run.emit({
      id: `${image}:${tag}@${digest}`,
      type: 'registry.push',
      source: `registry/${image}`,
      subject: tag,
      data,
    });
  });

/** "pods", "apps/v1/deployments" */
function resourceOf(run: DriverRun): ResourceRef {
  const parts = settingOf(run, 'resource').split('/');
  const plural = parts.at(-1) ?? '';
  if (plural === 'secrets' || plural.startsWith('secrets.'))
    throw new DriverProblem('Secrets make no events: their values would be kept in the log.');
  const [group, version] =
    parts.length === 3 ? [parts[0]!, parts[1]!] : ['', parts.length === 2 ? parts[0]! : 'v1'];
  return { group, version, plural, namespaced: true };
}

async function follow(run: DriverRun, resource: ResourceRef, signal: AbortSignal): Promise<void> {
  const { sources, namespace, settings } = run;
  const labelSelector = settings.get('labels');
  const options = { namespace, ...(labelSelector && { labelSelector }) };
  let resourceVersion = '';
  while (!signal.aborted) {
    try {
      if (resourceVersion === '') {
        const list = await sources.client.list<KubeObject>(resource, { ...options, limit: 1, signal });
        resourceVersion = list.metadata?.resourceVersion ?? '';
      }
      for await (const event of sources.client.watch<KubeObject>(resource, {
        ...options,
        resourceVersion,
        signal,
      })) {
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
        await tell(run, event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isApiError(error, 'Expired') || isApiError(error, 'Gone')) resourceVersion = '';
      else run.log.warn({ err: error, driver: run.name }, 'changes cannot be watched, which is tried again');
      await pause(RETRY_MS, signal);
    }
  }
}

async function tell(run: DriverRun, { type, object }: WatchEvent<KubeObject>): Promise<void> {
  const verb = VERBS[type];
  if (verb === undefined) return;
  const { kind = '', metadata } = object;
  await run.emit({
    type: `kubernetes.${kind.toLowerCase()}.${verb}`,
    source: `kubernetes/${run.namespace}`,
    subject: `${kind}/${metadata.name}`,
    id: `${metadata.uid}.${metadata.resourceVersion}.${verb}`,
    data: object,
  });
}
