const MAX_AGE_MS = 5 * 60_000;

interface Expected {
  created: Set<string>;
  deleted: Set<string>;
  since: number;
}

/**
 * What a controller has done and its cache has not shown yet. Until it has, the controller does not count again:
 * it would do the same a second time.
 */
export class Expectations {
  readonly #now: () => number;
  readonly #expected = new Map<string, Expected>();

  constructor(now: () => number) {
    this.#now = now;
  }

  created(key: string, uid: string): void {
    this.#of(key).created.add(uid);
  }

  deleted(key: string, uid: string): void {
    this.#of(key).deleted.add(uid);
  }

  /** Whether the cache shows everything: `there` are the uids that it has, `leaving` those on their way out. */
  areMet(key: string, there: ReadonlySet<string>, leaving: ReadonlySet<string>): boolean {
    const expected = this.#expected.get(key);
    if (expected === undefined) return true;
    for (const uid of expected.created) if (there.has(uid)) expected.created.delete(uid);
    for (const uid of expected.deleted) if (!there.has(uid) || leaving.has(uid)) expected.deleted.delete(uid);
    const open = expected.created.size + expected.deleted.size;
    if (open > 0 && this.#now() - expected.since < MAX_AGE_MS) return false;
    this.#expected.delete(key);
    return true;
  }

  forget(key: string): void {
    this.#expected.delete(key);
  }

  #of(key: string): Expected {
    let expected = this.#expected.get(key);
    if (expected === undefined) {
      expected = { created: new Set(), deleted: new Set(), since: this.#now() };
      this.#expected.set(key, expected);
    }
    return expected;
  }
}
