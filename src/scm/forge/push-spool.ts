import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ForgeRepositories, ForgeRepository } from './repositories.ts';

export interface RefUpdate {
  /** Forty zeros when the ref is new. */
  before: string;
  /** Forty zeros when the ref was deleted. */
  after: string;
  ref: string;
}

export interface Push {
  /** The same push always has the same id. */
  id: string;
  repository: ForgeRepository;
  updates: RefUpdate[];
}

export const NO_COMMIT = '0'.repeat(40);

/** Hands over every push that was accepted, once it is certain that somebody remembers it. */
export class PushSpool {
  readonly #repositories: ForgeRepositories;
  readonly #deliver: (push: Push) => Promise<void>;
  #work: Promise<void> = Promise.resolve();

  /** What `deliver` throws keeps the push where it is: it comes again. */
  constructor(repositories: ForgeRepositories, deliver: (push: Push) => Promise<void>) {
    this.#repositories = repositories;
    this.#deliver = deliver;
  }

  /** At the start: what was accepted when nobody was here to hear of it. */
  async drainAll(): Promise<void> {
    for (const repository of await this.#repositories.list()) await this.drain(repository);
  }

  drain(repository: ForgeRepository): Promise<void> {
    this.#work = this.#work.catch(() => {}).then(() => this.#drain(repository));
    return this.#work;
  }

  async #drain(repository: ForgeRepository): Promise<void> {
    const dir = this.#repositories.spoolOf(repository);
    for (const name of (await readdir(dir).catch(() => [])).filter((item) => item.endsWith('.push')).sort()) {
      const text = await readFile(join(dir, name), 'utf8');
      await this.#deliver({
        id: `${repository.owner}/${repository.name}/${name}`,
        repository,
        updates: parseUpdates(text),
      });
      await rm(join(dir, name));
    }
  }
}

function parseUpdates(text: string): RefUpdate[] {
  return text.split('\n').flatMap((line) => {
    const [before, after, ...ref] = line.split(' ');
    return before === undefined || after === undefined || ref.length === 0
      ? []
      : [{ before, after, ref: ref.join(' ') }];
  });
}
