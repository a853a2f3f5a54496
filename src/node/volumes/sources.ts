import type { DownwardItem, KeyToPath, Pod, ProjectedSource, Volume } from '../../kube/index.ts';
import { fieldValue, resourceValue, type ValueSource } from '../pods/environment.ts';
import { PodProblem } from '../pods/problem.ts';
import { isSafePath, type PayloadFile } from './payload.ts';

export interface PayloadSource extends ValueSource {
  configMapFiles: (namespace: string, name: string) => Promise<Record<string, Buffer> | undefined>;
  secretFiles: (namespace: string, name: string) => Promise<Record<string, Buffer> | undefined>;
  token: (
    pod: Pod,
    request: { audience: string | undefined; expirationSeconds: number },
  ) => Promise<{ token: string; expiresAt: number }>;
}

export interface Payload {
  files: PayloadFile[];
  /** When it has to be made again at the latest, in milliseconds. */
  refreshAt: number | undefined;
}

const DEFAULT_MODE = 0o644;
const TOKEN_SECONDS = 3600;

/** The files of a volume that is made of objects; undefined when it is of another kind. */
export async function payloadOf(
  pod: Pod,
  volume: Volume,
  source: PayloadSource,
  now: number,
): Promise<Payload | undefined> {
  const { configMap, secret, projected, downwardAPI } = volume;
  const collector = new Collector(pod, source, now);
  if (configMap !== undefined)
    await collector.add({ configMap: { ...configMap } }, configMap.defaultMode ?? DEFAULT_MODE);
  else if (secret !== undefined)
    await collector.add(
      { secret: { ...secret, name: secret.secretName } },
      secret.defaultMode ?? DEFAULT_MODE,
    );
  else if (downwardAPI !== undefined)
    await collector.add({ downwardAPI }, downwardAPI.defaultMode ?? DEFAULT_MODE);
  else if (projected !== undefined)
    for (const part of projected.sources ?? [])
      await collector.add(part, projected.defaultMode ?? DEFAULT_MODE);
  else return undefined;
  return collector.payload;
}

class Collector {
  readonly payload: Payload = { files: [], refreshAt: undefined };
  readonly #pod: Pod;
  readonly #source: PayloadSource;
  readonly #now: number;

  constructor(pod: Pod, source: PayloadSource, now: number) {
    this.#pod = pod;
    this.#source = source;
    this.#now = now;
  }

  async add(part: ProjectedSource, mode: number): Promise<void> {
    const namespace = this.#pod.metadata.namespace ?? '';
    if (part.configMap !== undefined) {
      const { name, items, optional } = part.configMap;
      this.#keys(await this.#source.configMapFiles(namespace, name), {
        kind: 'configmap',
        name,
        items,
        optional,
        mode,
      });
    }
    if (part.secret !== undefined) {
      const { name, items, optional } = part.secret;
      this.#keys(await this.#source.secretFiles(namespace, name), {
        kind: 'secret',
        name,
        items,
        optional,
        mode,
      });
    }
    for (const item of part.downwardAPI?.items ?? [])
      this.#file(item.path, this.#downward(item), item.mode ?? mode);
    if (part.serviceAccountToken !== undefined) {
      const { path, audience, expirationSeconds = TOKEN_SECONDS } = part.serviceAccountToken;
      const { token, expiresAt } = await this.#source.token(this.#pod, { audience, expirationSeconds });
      this.#file(path, Buffer.from(token), mode === DEFAULT_MODE ? DEFAULT_MODE : mode);
      const refreshAt = this.#now + (expiresAt - this.#now) * 0.8;
      this.payload.refreshAt = Math.min(this.payload.refreshAt ?? Number.POSITIVE_INFINITY, refreshAt);
    }
  }

  #keys(
    values: Record<string, Buffer> | undefined,
    wanted: {
      kind: string;
      name: string;
      items: KeyToPath[] | undefined;
      optional: boolean | undefined;
      mode: number;
    },
  ): void {
    const { kind, name, items, optional, mode } = wanted;
    if (values === undefined) {
      if (optional) return;
      throw new PodProblem('FailedMount', `MountVolume.SetUp failed: ${kind} "${name}" not found`);
    }
    if (items === undefined) {
      for (const [key, content] of Object.entries(values)) this.#file(key, content, mode);
      return;
    }
    for (const item of items) {
      const content = Object.hasOwn(values, item.key) ? values[item.key] : undefined;
      if (content !== undefined) this.#file(item.path, content, item.mode ?? mode);
      else if (!optional)
        throw new PodProblem(
          'FailedMount',
          `MountVolume.SetUp failed: references non-existent ${kind} key: ${item.key}`,
        );
    }
  }

  #downward(item: DownwardItem): Buffer {
    if (item.fieldRef !== undefined)
      return Buffer.from(fieldValue(this.#pod, item.fieldRef.fieldPath, this.#source.hostIp));
    return Buffer.from(
      item.resourceFieldRef === undefined
        ? ''
        : resourceValue(this.#pod, item.resourceFieldRef, '', this.#source),
    );
  }

  #file(path: string, content: Buffer, mode: number): void {
    if (!isSafePath(path))
      throw new PodProblem(
        'FailedMount',
        `MountVolume.SetUp failed: the path ${JSON.stringify(path)} leads out of the volume`,
      );
    this.payload.files = this.payload.files.filter((file) => file.path !== path);
    this.payload.files.push({ path, content, mode });
  }
}
