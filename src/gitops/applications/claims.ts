import type { Cluster } from '../clusters/cluster.ts';
import { type ObjectKey, textOfKey } from '../engine/object-key.ts';

/** An object of a cluster, as claims name it. */
export function claimOf({ server }: Cluster, key: ObjectKey): string {
  return `${server} ${textOfKey(key)}`;
}

/** Which applications want which objects: two that want the same are both told. */
export class Claims {
  readonly #byObject = new Map<string, Set<string>>();
  readonly #byOwner = new Map<string, Set<string>>();

  /** Says what an owner wants now. Gives the owners whose situation has changed with it. */
  set(owner: string, objects: readonly string[]): Set<string> {
    const before = this.#byOwner.get(owner) ?? new Set<string>();
    const after = new Set(objects);
    const touched = new Set<string>();
    for (const object of before)
      if (!after.has(object)) {
        const owners = this.#byObject.get(object);
        owners?.delete(owner);
        if (owners?.size === 0) this.#byObject.delete(object);
        for (const other of owners ?? []) touched.add(other);
      }
    for (const object of after) {
      const owners = this.#byObject.get(object) ?? new Set<string>();
      if (!owners.has(owner)) for (const other of owners) touched.add(other);
      this.#byObject.set(object, owners.add(owner));
    }
    this.#byOwner.set(owner, after);
    touched.delete(owner);
    return touched;
  }

  /** Everybody else who wants an object. */
  others(owner: string, object: string): string[] {
    return [...(this.#byObject.get(object) ?? [])].filter((other) => other !== owner);
  }
}
