import { createHash } from 'node:crypto';
import { timestamp } from '../../kube/index.ts';
import { type HelmResult, isTest, type Manifest, RenderError } from '../../render/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { ObjectKey } from '../engine/object-key.ts';
import { NOTES } from '../resources.ts';
import { HelmStorage, manifestsOf, releaseOf, type StoredRelease } from './helm-storage.ts';
import { isRequested, isReset } from './requests.ts';
import type { Kept, ReleaseAction, ReleaseSnapshot, Remediation } from './resources.ts';

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
  readonly #isAnew: boolean;

  private constructor(
    kept: Kept,
    {
      storage,
      digest,
      version,
      now,
      isAnew = false,
    }: { storage: HelmStorage; digest: string; version: number; now: () => number; isAnew?: boolean },
  ) {
    const [last] = kept.status?.history ?? [];
    this.#kept = kept;
    this.#storage = storage;
    this.#digest = digest;
    this.#now = now;
    this.version = version;
    this.isRolledBack = last?.replaces === digest && !isReset(kept);
    this.#isAnew = isAnew;
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
    return new ReleaseAttempt(kept, { storage, digest, version, now, isAnew: latest.isUninstalled });
  }

  /** What was taken away again is installed anew. */
  get isUpgrade(): boolean {
    const isAnew = this.#isAnew || this.#history[0]?.status === 'uninstalled' || this.#last?.isAnew === true;
    return this.version > 1 && !isAnew;
  }

  /** It has failed as often as it may. */
  get isGivenUp(): boolean {
    return this.#hasFailed && this.#policy.strategy === 'uninstall' && this.#isTriedEnough(this.#failures);
  }

  /** What a try that has failed has left is in the way of the next one. */
  get isToBeRemoved(): boolean {
    const { strategy, retries, remediateLastFailure } = this.#policy;
    if (strategy !== 'uninstall' || retries === undefined || this.#last?.status !== 'failed') return false;
    return !this.#isTriedEnough(this.#failures) || remediateLastFailure === true;
  }

  /** How long the next try has to wait, unless somebody wants it now. Undefined where nothing has failed. */
  pauseMs(retryMs: number): number | undefined {
    if (!this.#hasFailed || isRequested(this.#kept) || isReset(this.#kept)) return undefined;
    const left = Date.parse(this.#last?.lastDeployed ?? '') + retryMs - this.#now();
    return left > 0 ? left : undefined;
  }

  /** It is neither in place nor given up. */
  get isNew(): boolean {
    return !this.isRolledBack && this.#last?.status !== 'deployed';
  }

  get attempt(): string {
    return `${this.#kept.metadata.uid}/v${this.version}/${this.#failures}`;
  }

  /** What its owner says about how it is put in place. */
  get action(): ReleaseAction {
    const { install, upgrade } = this.#kept.spec;
    return (this.isUpgrade ? upgrade : install) ?? {};
  }

  /** What runs at this version: what is for the other case does not. */
  withHooks(manifests: readonly Manifest[]): Manifest[] {
    const other = this.isUpgrade ? /^(?:pre|post)-install$/ : /^(?:pre|post)-upgrade$/;
    const leftOut = this.action.disableHooks ? /^(?:pre|post)-(?:install|upgrade)$/ : other;
    return manifests.flatMap((item) => {
      const words = hookWords(item);
      if (words === undefined) return [item];
      const left = words.filter((word) => !leftOut.test(word));
      return left.length === 0 ? [] : [asHook(item, left)];
    });
  }

  /** What a chart has to see whether it works, as something that runs after its objects are well. */
  testsIn(manifests: readonly Manifest[]): Manifest[] {
    return manifests.filter(isTest).map((item) => asHook(item, ['post-install']));
  }

  /** What is kept in place of an attempt that has failed. */
  async previous(): Promise<Manifest[]> {
    const [last] = this.#kept.status?.history ?? [];
    const release = last && (await this.#storage.get(last.version));
    if (release === undefined)
      throw new RenderError(`the release ${last?.name ?? ''} that it was put back to is not there any more`);
    return manifestsOf(release).filter((item) => hookWords(item) === undefined);
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
    if (this.isRolledBack) return undefined;
    const failures = this.#failures + 1;
    const report = await this.#record(await result(), 'failed', message, failures);
    const good = report.history.find(isGood);
    if (this.#policy.strategy !== 'rollback' || !this.#isTriedEnough(failures) || good === undefined)
      return report;
    const release = await this.#storage.get(good.version);
    return release === undefined ? report : this.#putBack(report, good, release);
  }

  /** What it had put on the cluster is gone. */
  async removed(): Promise<ReleaseReport> {
    const { history: [last, ...older] = [], storageNamespace = '' } = this.#kept.status ?? {};
    const release = await this.#storage.get(this.version);
    if (release !== undefined) {
      const info = { ...release.info, status: 'uninstalled' as const };
      await this.#storage.put({ ...release, info }, { digest: this.#digest, most: this.#maxHistory });
    }
    const history = last === undefined ? [] : [{ ...last, status: 'uninstalled' as const }, ...older];
    return { history, failures: this.#failures, storageNamespace };
  }

  /** Why it was given up. */
  async lastWords(): Promise<string> {
    const what = this.isUpgrade ? 'upgrade' : 'install';
    const why = (await this.#storage.get(this.version))?.info.description ?? '';
    const tries = this.#failures === 1 ? '1 attempt' : `${this.#failures} attempts`;
    return `Failed to ${what} after ${tries}: ${why}`;
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
      ...(this.version > 1 && !this.isUpgrade && { isAnew: true }),
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

  get #history(): readonly ReleaseSnapshot[] {
    return this.#kept.status?.history ?? [];
  }

  /** The newest that is kept, where it is of this chart and these values. */
  get #last(): ReleaseSnapshot | undefined {
    const [last] = this.#history;
    return last?.digest === this.#digest ? last : undefined;
  }

  get #failures(): number {
    if (this.#last === undefined || isReset(this.#kept)) return 0;
    return this.#kept.status?.failures ?? 0;
  }

  get #hasFailed(): boolean {
    return this.#last?.status === 'failed' || this.#last?.status === 'uninstalled';
  }

  get #policy(): Remediation {
    const { install, upgrade } = this.#kept.spec;
    return this.#wasInPlace
      ? { strategy: 'rollback', remediateLastFailure: true, ...upgrade?.remediation }
      : { ...install?.remediation, strategy: 'uninstall' };
  }

  /** Whether something works already that must not be taken away: that is so unless all from the first on have failed. */
  get #wasInPlace(): boolean {
    if (this.version === 1) return false;
    return this.#history.at(-1)?.version !== 1 || this.#history.some(isGood);
  }

  #isTriedEnough(failures: number): boolean {
    const { retries = -1 } = this.#policy;
    return retries >= 0 && failures > retries;
  }

  get #maxHistory(): number {
    return this.#kept.spec.maxHistory || MAX_HISTORY;
  }
}

/** When it runs; undefined for what stays. */
function hookWords({ object }: Manifest): string[] | undefined {
  return object.metadata.annotations?.[NOTES.helmHook]?.split(',').map((word) => word.trim());
}

function asHook(item: Manifest, words: readonly string[]): Manifest {
  const { metadata } = item.object;
  const annotations = { ...metadata.annotations, [NOTES.helmHook]: words.join(',') };
  return { ...item, object: { ...item.object, metadata: { ...metadata, annotations } } };
}

function isGood({ status }: ReleaseSnapshot): boolean {
  return status === 'deployed' || status === 'superseded';
}
