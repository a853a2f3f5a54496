import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import {
  type KubeObject,
  type Secret,
  SECRETS,
  secretText,
  timestamp,
  unlessGone,
} from '../../kube/index.ts';
import {
  type HelmResult,
  type Manifest,
  readAllYaml,
  type ReleasedChart,
  writeYaml,
} from '../../render/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { NOTES } from '../resources.ts';

export type ReleaseStatus = 'deployed' | 'failed' | 'superseded' | 'uninstalled';

/** A release as Helm keeps it, so that its own commands tell of it. */
export interface StoredRelease {
  name: string;
  namespace: string;
  version: number;
  info: {
    first_deployed: string;
    last_deployed: string;
    deleted: string;
    description: string;
    status: ReleaseStatus;
    notes?: string;
  };
  chart: ReleasedChart;
  config: object;
  manifest: string;
  hooks: StoredHook[];
}

interface StoredHook {
  name: string;
  kind: string;
  path: string;
  manifest: string;
  events: string[];
  weight?: number;
  delete_policies?: string[];
}

const TYPE = 'helm.sh/release.v1';
/** Stands for what a release was made of. */
const DIGEST = 'dispatch.dev/digest';
const MAX_RELEASE = 16 * 1024 * 1024;
const [pack, unpack] = [promisify(gzip), promisify(gunzip)];

/** The releases of one name that a cluster keeps. */
export class HelmStorage {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #name: string;
  readonly #now: () => number;

  constructor(cluster: Cluster, place: { namespace: string; name: string; now: () => number }) {
    this.#cluster = cluster;
    this.#namespace = place.namespace;
    this.#name = place.name;
    this.#now = place.now;
  }

  async get(version: number): Promise<StoredRelease | undefined> {
    const name = this.#nameOf(version);
    const secret = await this.#cluster.call((client, signal) =>
      unlessGone(client.get<Secret>(SECRETS, this.#namespace, name, signal)),
    );
    return secret && releaseIn(secret);
  }

  /** The newest version of which there is a release, and what that was made of; 0 where there is none. */
  async latest(): Promise<{ version: number; digest: string | undefined; isUninstalled: boolean }> {
    const last = (await this.#list()).sort(byVersion).at(-1);
    return {
      version: last ? versionOf(last) : 0,
      digest: last?.metadata.annotations?.[DIGEST],
      isUninstalled: last?.metadata.labels?.['status'] === 'uninstalled',
    };
  }

  /** Its objects are gone, and it stays. */
  async uninstalled(): Promise<void> {
    const release = await this.get((await this.latest()).version);
    if (release === undefined) return;
    const info = { ...release.info, status: 'uninstalled' as const, description: 'Uninstallation complete' };
    await this.#apply({ ...release, info }, undefined);
  }

  /** Keeps a release, and no more than some before it. One that was deployed before is not any more. */
  async put(release: StoredRelease, { digest, most }: { digest: string; most: number }): Promise<void> {
    const all = await this.#list();
    if (release.info.status === 'deployed')
      for (const secret of all)
        if (secret.metadata.labels?.['status'] === 'deployed' && versionOf(secret) !== release.version)
          await this.#supersede(secret);
    await this.#apply(release, digest);
    const old = all.filter((secret) => versionOf(secret) !== release.version).sort(byVersion);
    for (const secret of most > 0 ? old.slice(0, Math.max(0, old.length + 1 - most)) : [])
      await this.#remove(secret);
  }

  async clear(): Promise<void> {
    for (const secret of await this.#list()) await this.#remove(secret);
  }

  async #list(): Promise<Secret[]> {
    const { items } = await this.#cluster.call((client, signal) =>
      client.list<Secret>(SECRETS, {
        namespace: this.#namespace,
        labelSelector: `owner=helm,name=${this.#name}`,
        signal,
      }),
    );
    return items.filter(({ metadata }) => metadata.name === this.#nameOf(versionOf({ metadata })));
  }

  async #supersede(secret: Secret): Promise<void> {
    const release = await releaseIn(secret);
    if (release !== undefined)
      await this.#apply(
        { ...release, info: { ...release.info, status: 'superseded' } },
        secret.metadata.annotations?.[DIGEST],
      );
  }

  async #apply(release: StoredRelease, digest: string | undefined): Promise<void> {
    const packed = (await pack(JSON.stringify(release))).toString('base64');
    const object = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: this.#nameOf(release.version),
        namespace: this.#namespace,
        ...(digest !== undefined && { annotations: { [DIGEST]: digest } }),
        labels: {
          owner: 'helm',
          name: this.#name,
          status: release.info.status,
          version: String(release.version),
          modifiedAt: String(Math.floor(this.#now() / 1000)),
        },
      },
      type: TYPE,
      data: { release: Buffer.from(packed).toString('base64') },
    };
    await this.#cluster.call((client, signal) =>
      client.apply(SECRETS, object, { fieldManager: 'helm', force: true, signal }),
    );
  }

  async #remove({ metadata }: Secret): Promise<void> {
    await this.#cluster.call((client, signal) =>
      unlessGone(client.delete(SECRETS, this.#namespace, metadata.name ?? '', { signal })),
    );
  }

  #nameOf(version: number): string {
    return `sh.helm.release.v1.${this.#name}.v${version}`;
  }
}

function versionOf({ metadata }: Pick<KubeObject, 'metadata'>): number {
  return Number(metadata.labels?.['version'] ?? 0) || 0;
}

function byVersion(a: Secret, b: Secret): number {
  return versionOf(a) - versionOf(b);
}

/** Undefined for what nobody can read. */
async function releaseIn(secret: Secret): Promise<StoredRelease | undefined> {
  try {
    const packed = Buffer.from(secretText(secret, 'release'), 'base64');
    return JSON.parse((await unpack(packed, { maxOutputLength: MAX_RELEASE })).toString()) as StoredRelease;
  } catch {
    return undefined;
  }
}

export function releaseOf(
  place: { name: string; namespace: string },
  { manifests, notes, source }: HelmResult,
  {
    version,
    status,
    description,
    first,
    now,
  }: { version: number; status: ReleaseStatus; description: string; first: string | undefined; now: number },
): StoredRelease {
  const isHook = ({ object }: Manifest): boolean =>
    object.metadata.annotations?.[NOTES.helmHook] !== undefined;
  return {
    ...place,
    ...source(),
    version,
    info: {
      first_deployed: first ?? timestamp(now),
      last_deployed: timestamp(now),
      deleted: '',
      description,
      status,
      ...(notes !== '' && { notes }),
    },
    manifest: manifests
      .filter((item) => !isHook(item) && !item.file.includes('/crds/'))
      .map(({ object, file }) => `---\n# Source: ${file}\n${writeYaml(object)}`)
      .join(''),
    hooks: manifests.filter(isHook).map(hookOf),
  };
}

function hookOf({ object, file }: Manifest): StoredHook {
  const notes = object.metadata.annotations ?? {};
  const words = (text: string | undefined): string[] =>
    (text ?? '').split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));
  const policies = words(notes[NOTES.helmHookDeletePolicy]);
  const weight = Number(notes[NOTES.helmHookWeight] ?? 0) || 0;
  return {
    name: object.metadata.name ?? '',
    kind: object.kind,
    path: file,
    manifest: writeYaml(object),
    events: words(notes[NOTES.helmHook]),
    ...(weight !== 0 && { weight }),
    ...(policies.length > 0 && { delete_policies: policies }),
  };
}

/** What a release has put on the cluster, and what runs around it. */
export function manifestsOf(release: StoredRelease): Manifest[] {
  const objects = release.manifest.split(/^---\n/m).flatMap((text): Manifest[] => {
    const file = /^# Source: (.*)$/m.exec(text)?.[1] ?? release.chart.metadata.name;
    return readAllYaml(text, file).map((object) => ({ object: object as Manifest['object'], file }));
  });
  const hooks = release.hooks.flatMap(({ manifest, path }) =>
    readAllYaml(manifest, path).map((object) => ({ object: object as Manifest['object'], file: path })),
  );
  return [...objects, ...hooks];
}
