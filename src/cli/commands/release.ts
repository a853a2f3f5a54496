import { type Command, Option } from 'commander';
import {
  PROVIDER_NAMES,
  type ProviderName,
  type Release,
  repositoryOf,
  ScmError,
  type ScmProvider,
} from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import { Clone } from '../clone/clone.ts';
import { apiOf, loginFor } from '../clone/login.ts';
import { type Environment, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';
import { readInput } from '../input.ts';
import { printList, printObject } from '../output.ts';

interface Place {
  clone: Clone;
  api: ScmProvider;
  /** "owner/name" */
  repository: string;
}

interface ProviderFlags {
  scmProvider?: ProviderName;
}

interface CreateFlags extends ProviderFlags {
  title?: string;
  notes?: string;
  notesFile?: string;
  commit?: string;
}

const MAX_LINES = 200;

/** Programs of pipelines and people: they work in the clone that they are started in, as its origin knows them. */
export function registerRelease(program: Command, environment: Environment): void {
  const release = program
    .command('release')
    .alias('releases')
    .description('Releases of the repository whose clone this is.');
  const provider = (command: Command): Command =>
    command.addOption(
      new Option('--scm-provider <name>', 'what the origin is, where its address does not tell').choices([
        ...PROVIDER_NAMES,
      ]),
    );
  provider(release.command('create'))
    .description('Release a commit, or say something else about a release.')
    .argument('<tag>', 'tag of the release: it is made where there is none')
    .option('--title <text>', 'its title (default: the tag)')
    .option('--notes <text>', 'what is new (default: the commits since the tag before)')
    .option('--notes-file <file>', 'a file with what is new; "-" reads it from here')
    .option('--commit <revision>', 'what is released (default: the tag, else what is checked out)')
    .addHelpText(
      'after',
      examples('dispatch release create v1.2.0', 'dispatch release create v1.2.0 --notes-file CHANGES.md'),
    )
    .action((tag: string, flags: CreateFlags) => create(environment, tag, flags));
  provider(release.command('list'))
    .alias('ls')
    .description('List the releases, the newest first.')
    .addHelpText('after', examples('dispatch release list', 'dispatch release list -o json'))
    .action((flags: ProviderFlags, command: Command) =>
      atOrigin(environment, flags, async ({ api, repository }) => {
        const items = await api.releases(repository);
        const cell = (key: keyof Release) => (at: number) => items[at]![key];
        printList(environment, globalFlags(command), {
          items,
          nameOf: cell('tag'),
          columns: {
            TAG: cell('tag'),
            TITLE: cell('title'),
            COMMIT: (at) => items[at]!.commit.slice(0, 7),
            TIME: cell('time'),
            URL: cell('url'),
          },
        });
      }),
    );
  provider(release.command('show'))
    .description('Show a release with its notes.')
    .argument('<tag>', 'tag of the release')
    .addHelpText('after', examples('dispatch release show v1.2.0'))
    .action((tag: string, flags: ProviderFlags, command: Command) =>
      atOrigin(environment, flags, async ({ api, repository }) => {
        const found = await api.findRelease(repository, tag);
        if (found === undefined)
          throw new UserError(`${repository} has no release ${tag}: see "dispatch release list".`);
        printObject(environment, globalFlags(command).output, found);
      }),
    );
}

/** The same again says the same: a task that is repeated does not fail for what it has done. */
async function create(environment: Environment, tag: string, flags: CreateFlags): Promise<void> {
  await atOrigin(environment, flags, async ({ clone, api, repository }) => {
    const commit = await commitOf(clone, tag, flags.commit);
    const given = await givenNotes(environment, flags);
    const known = await api.findRelease(repository, tag);
    if (known === undefined) {
      const notes = given ?? (await commitsBefore(clone, commit));
      const made = await api.createRelease(repository, { tag, commit, title: flags.title ?? tag, notes });
      environment.stdout.write(`${made.url}\n`);
      return;
    }
    if (flags.commit !== undefined && known.commit !== '' && known.commit !== commit)
      throw new UserError(
        `${tag} is released already, of ${known.commit.slice(0, 7)}: give another tag, or leave --commit out.`,
      );
    const text = { title: flags.title ?? known.title, notes: given?.trim() ?? known.notes };
    if (text.title !== known.title || text.notes !== known.notes.trim())
      await unlessFixed(environment, () => api.updateRelease(repository, tag, text));
    environment.stdout.write(`${known.url}\n`);
  });
}

/** Where releases cannot be changed, the one that is there stands. */
async function unlessFixed({ stderr }: Environment, update: () => Promise<Release>): Promise<void> {
  try {
    await update();
  } catch (error) {
    if (!(error instanceof ScmError) || error.status !== 409) throw error;
    stderr.write(`It stays as it is: ${error.message}.\n`);
  }
}

async function atOrigin(
  { cwd, env }: Environment,
  { scmProvider }: ProviderFlags,
  work: (place: Place) => Promise<void>,
): Promise<void> {
  const clone = await Clone.open(cwd, env);
  const login = await loginFor(env, clone, scmProvider);
  try {
    await work({ clone, api: apiOf(login), repository: repositoryOf(login.url.href) ?? '' });
  } catch (error) {
    if (!(error instanceof ScmError)) throw error;
    throw new UserError(`The release could not be dealt with: ${error.message}.`, { cause: error });
  }
}

async function commitOf(clone: Clone, tag: string, asked: string | undefined): Promise<string> {
  const find = (revision: string): Promise<string | undefined> =>
    clone.git('rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`).then(
      (text) => text.trim(),
      () => undefined,
    );
  const found =
    asked === undefined ? ((await find(`refs/tags/${tag}`)) ?? (await find('HEAD'))) : await find(asked);
  if (found !== undefined) return found;
  throw new UserError(
    `${asked ?? 'HEAD'} is no commit of this clone: fetch it, or give another with --commit.`,
  );
}

async function givenNotes(
  environment: Environment,
  { notes, notesFile }: CreateFlags,
): Promise<string | undefined> {
  if (notesFile === undefined) return notes;
  if (notes !== undefined) throw new UserError('Give --notes or --notes-file, not both.');
  return (await readInput(environment, notesFile)).toString();
}

/** What has been committed since the tag before. A clone without its history knows nothing of it. */
async function commitsBefore(clone: Clone, commit: string): Promise<string> {
  const before = await clone.git('describe', '--tags', '--abbrev=0', `${commit}^`).then(
    (text) => text.trim(),
    () => undefined,
  );
  const range = before === undefined ? commit : `${before}..${commit}`;
  const args = ['log', '--no-merges', `--max-count=${MAX_LINES}`, '--format=- %s', range, '--'];
  return (await clone.git(...args)).trim();
}
