import { apiVersionOf, type Resource } from './kinds/index.ts';

interface GroupEntry {
  versions: string[];
}

/** Which kinds are served right now: the built-in ones and those that definitions add. */
export class Catalog {
  readonly #byPath = new Map<string, Resource>();
  readonly #listeners = new Set<() => void>();
  #generation = 0;

  constructor(builtin: readonly Resource[]) {
    for (const resource of builtin) this.#byPath.set(pathOf(resource), resource);
  }

  /** Grows with every change: documents made from the catalog are cached by it. */
  get generation(): number {
    return this.#generation;
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** The resource of a kind, in the version asked for. */
  findKind(apiVersion: string, kind: string): Resource | undefined {
    for (const resource of this.#byPath.values()) {
      if (resource.kind === kind && apiVersionOf(resource) === apiVersion) return resource;
    }
    return undefined;
  }

  /** The version in which a kind is stored, else any. */
  findStored(group: string, kind: string): Resource | undefined {
    const all = this.all().filter((resource) => resource.group === group && resource.kind === kind);
    return all.find((resource) => resource.conversion === undefined) ?? all[0];
  }

  all(): Resource[] {
    return [...this.#byPath.values()];
  }

  /** The resource in whose version the objects of a collection are stored. */
  storedIn(collection: string): Resource | undefined {
    for (const resource of this.#byPath.values()) {
      if (resource.collection === collection && resource.conversion === undefined) return resource;
    }
    return undefined;
  }

  /** Groups with their versions, the preferred one first. */
  groups(): Map<string, string[]> {
    const groups = new Map<string, GroupEntry>();
    for (const { group, version } of this.#byPath.values()) {
      const entry = groups.get(group) ?? { versions: [] };
      groups.set(group, entry);
      if (!entry.versions.includes(version)) entry.versions.push(version);
    }
    return new Map([...groups].map(([name, entry]) => [name, entry.versions.sort(compareVersions)]));
  }

  /** Replaces everything that one definition serves. */
  replace(definition: string, resources: readonly Resource[]): void {
    for (const [path, resource] of this.#byPath)
      if (resource.definition?.name === definition) this.#byPath.delete(path);
    for (const resource of resources) this.#byPath.set(pathOf(resource), resource);
    this.#generation += 1;
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}

function pathOf(resource: Resource): string {
  return `${resource.group}/${resource.version}/${resource.plural}`;
}

const VERSION = /^v(\d+)(?:(alpha|beta)(\d+))?$/;

/** Kubernetes' order of versions: stable before beta before alpha, then the newest first. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [VERSION.exec(a), VERSION.exec(b)];
  if (left === null || right === null) return left === right ? (a < b ? -1 : 1) : left === null ? 1 : -1;
  const rank = (match: RegExpExecArray): number => (match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0);
  return (
    rank(right) - rank(left) ||
    Number(right[1]) - Number(left[1]) ||
    Number(right[3] ?? 0) - Number(left[3] ?? 0)
  );
}
