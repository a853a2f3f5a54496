import { isSafeRevision } from '../git.ts';
import { tagMessage, tagText } from '../providers/prerelease.ts';
import { type NewRelease, type Release, ScmError } from '../providers/types.ts';
import { type ForgeRepositories, type ForgeRepository, forgeRepository } from './repositories.ts';

export const RELEASE_REFS = 'refs/dispatch/releases/';
const FIELDS = [
  'refname:lstrip=3',
  'objectname',
  '*objectname',
  'creatordate:iso-strict',
  'contents',
] as const;
const FORMAT = FIELDS.map((field) => `%(${field})%00`).join('');

/**
 * The releases of this server's repositories: annotated tags beside those of `refs/tags`, so that plain tags are
 * none, and what a release says can change while its tag stays.
 */
export class ForgeReleases {
  readonly #forge: ForgeRepositories;
  readonly #publicUrl: () => string;
  readonly #pushed: (repository: ForgeRepository) => void;

  constructor(
    forge: ForgeRepositories,
    options: { publicUrl: () => string; pushed: (repository: ForgeRepository) => void },
  ) {
    this.#forge = forge;
    this.#publicUrl = options.publicUrl;
    this.#pushed = options.pushed;
  }

  list = (repository: string): Promise<Release[]> => this.#read(repository, RELEASE_REFS);

  find = async (repository: string, tag: string): Promise<Release | undefined> =>
    (await this.#read(repository, refOf(tag))).find((release) => release.tag === tag);

  create = async (repository: string, { tag, commit, title, notes }: NewRelease): Promise<Release> => {
    const dir = await this.#dirOf(repository);
    const ref = refOf(tag);
    if ((await this.#commitOf(dir, ref)) !== undefined)
      throw new ScmError(`${repository} has a release ${tag} already`, 409);
    const tagged = await this.#commitOf(dir, `refs/tags/${tag}`);
    const target = tagged ?? (await this.#commitOf(dir, commit));
    if (target === undefined) throw new ScmError(`${repository} has no commit ${commit}`, 422);
    const object = await this.#write(dir, { tag, commit: target, title, notes });
    const tags = tagged === undefined ? [`${object}:refs/tags/${tag}`] : [];
    await this.#push(repository, dir, [...tags, `${object}:${ref}`]);
    return (await this.find(repository, tag))!;
  };

  update = async (
    repository: string,
    tag: string,
    text: { title: string; notes: string },
  ): Promise<Release> => {
    const dir = await this.#dirOf(repository);
    const known = await this.find(repository, tag);
    if (known === undefined) throw new ScmError(`${repository} has no release ${tag}`, 404);
    const object = await this.#write(dir, { tag, commit: known.commit, ...text });
    await this.#push(repository, dir, [`+${object}:${refOf(tag)}`]);
    return { ...known, ...text };
  };

  async #dirOf(repository: string): Promise<string> {
    const place = forgeRepository(repository);
    if (!(await this.#forge.exists(place))) throw new ScmError(`there is no repository ${repository}`, 404);
    return this.#forge.pathOf(place);
  }

  async #read(repository: string, refs: string): Promise<Release[]> {
    const dir = await this.#dirOf(repository);
    const args = ['--git-dir', dir, 'for-each-ref', '--sort=-creatordate', `--format=${FORMAT}`, '--', refs];
    const values = (await this.#forge.git.run(args)).split('\0');
    return Array.from({ length: Math.floor(values.length / FIELDS.length) }, (_, at) => {
      const [name = '', object = '', commit = '', time = '', message = ''] = values.slice(
        at * FIELDS.length,
        (at + 1) * FIELDS.length,
      );
      const tag = name.trim();
      const url = `${this.#publicUrl()}/dispatch/git/${repository}.git/releases/${encodeURIComponent(tag)}`;
      return { tag, ...tagText(message, tag), commit: commit || object, time, url };
    });
  }

  async #commitOf(dir: string, revision: string): Promise<string | undefined> {
    if (!isSafeRevision(revision)) return undefined;
    const args = ['--git-dir', dir, 'rev-parse', '--verify', '--quiet', '--end-of-options'];
    return this.#forge.git.run([...args, `${revision}^{commit}`]).then(
      (text) => text.trim(),
      () => undefined,
    );
  }

  async #write(dir: string, { tag, commit, ...text }: NewRelease): Promise<string> {
    const time = Math.floor(Date.now() / 1000);
    const head = `object ${commit}\ntype commit\ntag ${tag}\ntagger Dispatch <dispatch@localhost> ${time} +0000\n`;
    const input = `${head}\n${tagMessage(text)}\n`;
    return (await this.#forge.git.run(['--git-dir', dir, 'mktag'], { input })).trim();
  }

  /** As a push does: it is written down before anybody hears of it, and starts what waits for it. */
  async #push(repository: string, dir: string, refs: readonly string[]): Promise<void> {
    await this.#forge.git.run(['--git-dir', dir, 'push', '--quiet', '--atomic', '--', dir, ...refs]);
    this.#pushed(forgeRepository(repository));
  }
}

function refOf(tag: string): string {
  const isName = isSafeRevision(tag) && !/[~^{}]|\/\/|\/\.|\.$|\/$|\.lock(\/|$)/.test(tag);
  if (!isName) throw new ScmError(`${JSON.stringify(tag)} is no name of a tag`, 422);
  return `${RELEASE_REFS}${tag}`;
}
