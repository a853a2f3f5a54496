import {
  latestRelease,
  type ModuleSource,
  type ModuleText,
  parseModuleName,
} from '../../dispatchfile/index.ts';
import type { Mirrors, Remote } from '../../scm/index.ts';

export interface ModuleOptions {
  mirrors: Mirrors;
  /** The repository of the Dispatchfile, and its commit: what root-relative names are looked up in. */
  own: { remote: Remote; commit: string };
  /** How a repository of that name is fetched: "github.com/owner/name". */
  remoteOf: (repository: string) => Remote;
  /** What refs meant when they were pinned: "github.com/owner/name@ref" to a commit. */
  lock: ReadonlyMap<string, string>;
}

/** Libraries of Dispatchfiles, out of git repositories. A commit that is known needs no network. */
export class GitModules implements ModuleSource {
  readonly #options: ModuleOptions;
  /** What every ref was taken for, to be written into a lock file. */
  readonly pins = new Map<string, string>();

  constructor(options: ModuleOptions) {
    this.#options = options;
  }

  fetch = async (name: string, from: ModuleText): Promise<ModuleText> => {
    const { mirrors, own } = this.#options;
    if (name.startsWith('/')) {
      const [repository = '', commit = own.commit] = from.id === '' ? [] : from.id.split('@');
      const remote =
        repository === '' ? own.remote : this.#options.remoteOf(repository.split('/').slice(0, 3).join('/'));
      return this.#read(remote, {
        repository: repository.split('/').slice(0, 3).join('/'),
        commit,
        path: name.slice(1),
      });
    }
    const { repository, path, ref } = parseModuleName(name);
    const remote = this.#options.remoteOf(repository);
    const pin = `${repository}@${ref ?? ''}`;
    const known = this.#options.lock.get(pin) ?? this.pins.get(pin);
    const wanted = ref ?? (known === undefined ? latestRelease(await mirrors.tags(remote)) : '');
    if (wanted === undefined) throw new Error(`${repository} has no release: name a branch or tag with @`);
    const commit = known ?? (await mirrors.resolve(remote, wanted));
    this.pins.set(pin, commit);
    return this.#read(remote, { repository, commit, path });
  };

  async #read(remote: Remote, at: { repository: string; commit: string; path: string }): Promise<ModuleText> {
    for (const path of /\.\w+$/.test(at.path)
      ? [at.path]
      : [at.path, `${at.path}.star`, `${at.path}.starlark`]) {
      const text = await this.#options.mirrors.fileAt(remote, at.commit, path);
      if (text !== undefined)
        return {
          id: `${at.repository}/${path}@${at.commit}`,
          file: at.repository === '' ? path : `${at.repository}/${path}`,
          text,
        };
    }
    throw new Error(`there is no file ${at.path} at ${at.commit.slice(0, 12)}`);
  }
}

/** Reads a Dispatchfile.lock: a line for each ref, "repository@ref commit". */
export function parseLock(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const found = /^(\S+@\S*)\s+([0-9a-f]{40})$/.exec(line.trim());
      return found === null ? [] : [[found[1]!, found[2]!]];
    }),
  );
}

export function formatLock(pins: ReadonlyMap<string, string>): string {
  return [...pins]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([pin, commit]) => `${pin} ${commit}\n`)
    .join('');
}
