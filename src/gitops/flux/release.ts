import { createHash } from 'node:crypto';
import { timestamp } from '../../kube/index.ts';
import { type HelmResult, type Manifest, RenderError } from '../../render/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { ObjectKey } from '../engine/object-key.ts';
import { NOTES } from '../resources.ts';
import { HelmStorage, manifestsOf, releaseOf, type StoredRelease } from './helm-storage.ts';
import type { Kept, ReleaseSnapshot } from './resources.ts';

export interface ReleaseReport {
  history: ReleaseSnapshot[];
  failures: number;
  storageNamespace: string;
}

const MAX_HISTORY = 5;

/** The name that a release has, and where it is. */
export function releasePlace({ spec, metadata }: Kept): { name: string; namespace: string } {
  const { targetNamespace, releaseName } = spec;
  const own = targetNamespace === undefined ? metadata.name! : `${targetNamespace}-${metadata.name}`;
  return { name: releaseName ?? own, namespace: targetNamespace ?? metadata.namespace ?? '' };
}

export function storageOf(kept: Kept, cluster: Cluster, now: () => number): HelmStorage {
  const { spec, metadata } = kept;
  const namespace = spec.storageNamespace ?? metadata.namespace ?? '';
  return new HelmStorage(cluster, { namespace, name: releasePlace(kept).name, now });
}

/** What a release is kept as, for the rules of who may put what where. */
export function storageKey(kept: Kept): ObjectKey {
  const { spec, metadata } = kept;
  const namespace = spec.storageNamespace ?? metadata.namespace ?? '';
  return { group: '', version: 'v1', kind: 'Secret', namespace, name: releasePlace(kept).name };
}

/** One version of a release: the same as before for the same chart and values, else the next. */
export class ReleaseAttempt {
  readonly version: number;
  /** It has failed before, and what was there before is to be kept. */
  readonly isRolledBack: boolean;
  readonly #kept: Kept;
  readonly #storage: HelmStorage;
  readonly #digest: string;
  readonly #now: () => number;

  private constructor(
    kept: Kept,
    {
      storage,
      digest,
      version,
      now,
    }: { storage: HelmStorage; digest: string; version: number; now: () => number },
  ) {
    const [last] = kept.status?.history ?? [];
    this.#kept = kept;
    this.#storage = storage;
    this.#digest = digest;
    this.#now = now;
    this.version = version;
    this.isRolledBack = last?.replaces === digest;
  }

  static async of(
    kept: Kept,
    key: string,
    { cluster, now }: { cluster: Cluster; now: () => number },
  ): Promise<ReleaseAttempt> {
    const storage = storageOf(kept, cluster, now);
    const digest = `sha256:${createHash('sha256').update(key).digest('hex')}`;
    const [last] = kept.status?.history ?? [];
    if (last?.digest === digest)
      return new ReleaseAttempt(kept, { storage, digest, version: last.version, now });
    // Helm itself may have made some in between; and one of this kind may have been kept just before a crash.
    const latest = await storage.latest();
    const newest = Math.max(latest.version, last?.version ?? 0);
    const version = latest.digest === digest ? latest.version : newest + 1;
    return new ReleaseAttempt(kept, { storage, digest, version, now });
  }

  get isUpgrade(): boolean {
    return this.version > 1;
  }

  /** It is neither in place nor given up. */
  get isNew(): boolean {
    const [last] = this.#kept.status?.history ?? [];
    return !this.isRolledBack && !(last?.digest === this.#digest && last.status === 'deployed');
  }

  get attempt(): string {
    const [last] = this.#kept.status?.history ?? [];
    const failures = last?.digest === this.#digest ? (this.#kept.status?.failures ?? 0) : 0;
    return `${this.#kept.metadata.uid}/v${this.version}/${failures}`;
  }

  /** What runs at this version: what is for the other case does not. */
  withHooks(manifests: readonly Manifest[]): Manifest[] {
    const other = this.isUpgrade ? /^(?:pre|post)-install$/ : /^(?:pre|post)-upgrade$/;
    return manifests.flatMap((item) => {
      const words = item.object.metadata.annotations?.[NOTES.helmHook];
      if (words === undefined) return [item];
      const left = words.split(',').filter((word) => !other.test(word.trim()));
      if (left.length === 0) return [];
      const annotations = { ...item.object.metadata.annotations, [NOTES.helmHook]: left.join(',') };
      const metadata = { ...item.object.metadata, annotations };
      return [{ ...item, object: { ...item.object, metadata } }];
    });
  }

  /** What is kept in place of an attempt that has failed. */
  async previous(): Promise<Manifest[]> {
    const [last] = this.#kept.status?.history ?? [];
    const release = last && (await this.#storage.get(last.version));
    if (release === undefined)
      throw new RenderError(`the release ${last?.name ?? ''} that it was put back to is not there any more`);
    return manifestsOf(release).filter(
      ({ object }) => object.metadata.annotations?.[NOTES.helmHook] === undefined,
    );
  }

  /** It is in place. Undefined where that is known. */
  async succeeded(result: () => Promise<HelmResult>): Promise<ReleaseReport | undefined> {
    if (!this.isNew) return this.#wantedAgain();
    const description = this.isUpgrade ? 'Upgrade complete' : 'Install complete';
    return this.#record(await result(), 'deployed', description, 0);
  }

  /** What was put back is what is wanted now: the attempt that had failed counts as new when it comes again. */
  #wantedAgain(): ReleaseReport | undefined {
    const { history: [last, ...older] = [], failures = 0, storageNamespace = '' } = this.#kept.status ?? {};
    if (last?.replaces === undefined || this.isRolledBack) return undefined;
    const { replaces: _, ...rest } = last;
    return { history: [rest, ...older], failures, storageNamespace };
  }

  /** It could not be put in place: as often as its policy says it is tried again, then what was there is put back. */
  async failed(result: () => Promise<HelmResult>, message: string): Promise<ReleaseReport | undefined> {
    const { status, spec } = this.#kept;
    if (this.isRolledBack) return undefined;
    const [last] = status?.history ?? [];
    const failures = last?.digest === this.#digest ? (status?.failures ?? 0) + 1 : 1;
    const report = await this.#record(await result(), 'failed', message, failures);
    const { retries, strategy = 'rollback' } = spec.upgrade?.remediation ?? {};
    const good = report.history.find((item) => item.status !== 'failed');
    if (retries === undefined || retries < 0 || failures <= retries || strategy !== 'rollback' || !good)
      return report;
    const release = await this.#storage.get(good.version);
    return release === undefined ? report : this.#putBack(report, good, release);
  }

  async #putBack(
    report: ReleaseReport,
    good: ReleaseSnapshot,
    release: StoredRelease,
  ): Promise<ReleaseReport> {
    const version = this.version + 1;
    const lastDeployed = timestamp(this.#now());
    const info = {
      ...release.info,
      last_deployed: lastDeployed,
      status: 'deployed' as const,
      description: `Rollback to ${good.version}`,
    };
    await this.#storage.put({ ...release, version, info }, { digest: good.digest, most: this.#maxHistory });
    const back = { ...good, version, lastDeployed, status: 'deployed' as const, replaces: this.#digest };
    const history = [back, ...report.history];
    return { ...report, history: history.slice(0, this.#maxHistory) };
  }

  async #record(
    result: HelmResult,
    status: 'deployed' | 'failed',
    description: string,
    failures: number,
  ): Promise<ReleaseReport> {
    const before = (this.#kept.status?.history ?? []).filter(({ version }) => version !== this.version);
    const place = releasePlace(this.#kept);
    const first = before.at(-1)?.firstDeployed;
    const now = this.#now();
    const release = releaseOf(place, result, { version: this.version, status, description, first, now });
    await this.#storage.put(release, { digest: this.#digest, most: this.#maxHistory });
    const { name, version, appVersion } = release.chart.metadata;
    const snapshot: ReleaseSnapshot = {
      ...place,
      version: this.version,
      chartName: name,
      chartVersion: version,
      ...(typeof appVersion === 'string' && { appVersion }),
      status,
      digest: this.#digest,
      firstDeployed: release.info.first_deployed,
      lastDeployed: release.info.last_deployed,
    };
    const older = before.map((item) =>
      item.status === 'deployed' && status === 'deployed' ? { ...item, status: 'superseded' as const } : item,
    );
    return {
      history: [snapshot, ...older].slice(0, this.#maxHistory),
      failures,
      storageNamespace: this.#kept.spec.storageNamespace ?? this.#kept.metadata.namespace ?? '',
    };
  }

  get #maxHistory(): number {
    return this.#kept.spec.maxHistory || MAX_HISTORY;
  }
}
