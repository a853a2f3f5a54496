import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../content/durable.ts';
import type { Descriptor } from '../manifest.ts';

export interface StoredManifest extends Descriptor {
  repository: string;
  /** The manifest that this one says something about. */
  subject?: string;
}

/** Which manifests belong to which repository: tags name some of them, and some have none. */
export class Repositories {
  readonly #root: string;
  readonly #manifests = new Map<string, Map<string, StoredManifest>>();

  constructor(root: string) {
    this.#root = join(root, 'repositories');
  }

  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    for (const file of await readdir(this.#root)) {
      if (!file.endsWith('.json')) continue;
      const stored = JSON.parse(await readFile(join(this.#root, file), 'utf8')) as StoredManifest;
      this.#remember(stored);
    }
  }

  names(): string[] {
    return [...this.#manifests.keys()].sort();
  }

  find(repository: string, digest: string): StoredManifest | undefined {
    return this.#manifests.get(repository)?.get(digest);
  }

  referrers(repository: string, subject: string): StoredManifest[] {
    return [...(this.#manifests.get(repository)?.values() ?? [])].filter((item) => item.subject === subject);
  }

  all(): StoredManifest[] {
    return [...this.#manifests.values()].flatMap((list) => [...list.values()]);
  }

  async add(stored: StoredManifest): Promise<void> {
    await writeAtomically(this.#file(stored.repository, stored.digest), JSON.stringify(stored));
    this.#remember(stored);
  }

  async remove(repository: string, digest: string): Promise<boolean> {
    const list = this.#manifests.get(repository);
    if (!list?.delete(digest)) return false;
    if (list.size === 0) this.#manifests.delete(repository);
    await rm(this.#file(repository, digest), { force: true });
    return true;
  }

  #remember(stored: StoredManifest): void {
    const list = this.#manifests.get(stored.repository) ?? new Map<string, StoredManifest>();
    list.set(stored.digest, stored);
    this.#manifests.set(stored.repository, list);
  }

  #file(repository: string, digest: string): string {
    return join(this.#root, `${createHash('sha256').update(`${repository} ${digest}`).digest('hex')}.json`);
  }
}
