import { createHash } from 'node:crypto';
import { fillTemplate, RenderError } from '../../render/index.ts';
import {
  isSafeRevision,
  type OpenPullRequest,
  type ProviderName,
  repositoryOf,
  ScmError,
} from '../../scm/index.ts';
import { UserError } from '../../server/index.ts';
import { Clone, OWN_BRANCHES } from '../clone/clone.ts';
import { apiOf, loginFor, type RepositoryLogin } from '../clone/login.ts';

export interface UpdateOptions {
  /** Where the clone is. */
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Commit of the application. */
  revision: string;
  values: Readonly<Record<string, string>>;
  filepath: string;
  provider: ProviderName | undefined;
  branch: string | undefined;
  base: string | undefined;
  title: string | undefined;
  body: string | undefined;
  isMerged: boolean;
  isDryRun: boolean;
  print: (text: string) => void;
}

const EXTENSION = '.tmpl';

/** Fills in templates, pushes the result as a branch, and opens a pull request or brings the open one up to date. */
export async function updateGitopsRepo(options: UpdateOptions): Promise<void> {
  const { print, isDryRun } = options;
  const clone = await Clone.open(options.cwd, options.env);
  const changed = await fillAll(options, clone);
  if (changed.length === 0) return print('Nothing has changed: no pull request is needed.\n');
  if (isDryRun) return print(await clone.git('diff', '--no-color', '--', ...changed));
  const login = await loginFor(options.env, clone, options.provider);
  const remote = login.url.href;
  const base = options.base ?? (await clone.defaultBranch(login));
  const branch = branchOf(options);
  const title =
    options.title ??
    `Update ${changed.join(', ').slice(0, 60)}${options.revision === '' ? '' : ` to ${options.revision.slice(0, 12)}`}`;
  const body = options.body ?? bodyOf(options, changed);
  await clone.git('add', '--', ...changed);
  await clone.commit(`${title}\n\n${body}\n`);
  await clone.push(branch, login);
  const opened = await propose({ login, branch, base, title, body, remote });
  print(`${opened.url}\n`);
  if (options.isMerged) await merge(login, remote, opened, print);
}

/** A name that is the same for the same revision, so that it is the same pull request that is brought up to date. */
function branchOf({ branch, revision, values }: UpdateOptions): string {
  const id = revision === '' ? createHash('sha256').update(JSON.stringify(values)).digest('hex') : revision;
  const name = branch ?? `${OWN_BRANCHES}update-${id.slice(0, 12)}`;
  if (!isSafeRevision(name))
    throw new UserError(`${JSON.stringify(name)} is no name of a branch: give another with -branch.`);
  return name;
}

function bodyOf({ revision, values }: UpdateOptions, changed: readonly string[]): string {
  const lines = Object.entries(values).map(([name, value]) => `- ${name}: ${value}`);
  return [
    ...(revision === '' ? [] : [`Dispatch-Commit: ${revision}`, '']),
    ...lines,
    '',
    `Files: ${changed.join(', ')}`,
  ]
    .join('\n')
    .trim();
}

/** Everything is filled in before anything is written: one template that fails leaves nothing behind. */
async function fillAll({ filepath, values }: UpdateOptions, clone: Clone): Promise<string[]> {
  const files = await clone.files();
  const templates = files.filter((file) => file.endsWith(EXTENSION) && matchesGlob(filepath, file));
  if (templates.length === 0) throw new UserError(`No template fits ${filepath}: nothing can be filled in.`);
  const results: { file: string; text: string }[] = [];
  for (const template of templates) {
    const text = await clone.read(template);
    if (text === undefined) throw new UserError(`${template} is no plain file.`);
    try {
      results.push({
        file: template.slice(0, -EXTENSION.length),
        text: fillTemplate(template, text, values),
      });
    } catch (error) {
      if (error instanceof RenderError) throw new UserError(error.message, { cause: error });
      throw error;
    }
  }
  const changed: string[] = [];
  for (const { file, text } of results) {
    if ((await clone.read(file)) === text) continue;
    await clone.write(file, text);
    changed.push(file);
  }
  return changed;
}

/** "**" crosses directories, "*" does not. */
export function matchesGlob(glob: string, path: string): boolean {
  const source = glob
    .replace(/^\.\//, '')
    .split(/(\*\*\/|\*\*|\*|\?)/)
    .map(
      (part) =>
        ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' })[part] ??
        part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${source}$`, 's').test(path);
}

async function propose({
  login,
  branch,
  base,
  title,
  body,
  remote,
}: {
  login: RepositoryLogin;
  branch: string;
  base: string;
  title: string;
  body: string;
  remote: string;
}): Promise<OpenPullRequest> {
  const api = apiOf(login);
  const repository = repositoryOf(remote) ?? '';
  try {
    const known = await api.findPullRequest(repository, { source: branch, target: base });
    if (known === undefined)
      return await api.openPullRequest(repository, { source: branch, target: base, title, body });
    await api.updatePullRequest(repository, known.number, { title, body });
    return known;
  } catch (error) {
    if (!(error instanceof ScmError)) throw error;
    throw new UserError(`No pull request could be opened for ${branch}: ${error.message}.`, { cause: error });
  }
}

async function merge(
  login: RepositoryLogin,
  remote: string,
  { number }: OpenPullRequest,
  print: (text: string) => void,
): Promise<void> {
  const api = apiOf(login);
  try {
    await api.mergePullRequest(repositoryOf(remote) ?? '', number);
    print('Merged.\n');
  } catch (error) {
    if (!(error instanceof ScmError)) throw error;
    // The proposal stands: somebody else may merge it.
    print(`It is not merged: ${error.message}.\n`);
  }
}
