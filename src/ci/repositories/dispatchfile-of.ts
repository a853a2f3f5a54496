import type { Normalized } from '../../dispatchfile/index.ts';
import type { Remote } from '../../scm/index.ts';
import type { CiContext } from '../context.ts';
import type { Repository } from '../resources.ts';
import { GitModules, parseLock } from './modules.ts';
import { type Source, sourceOf } from '../../scm/index.ts';

export interface DispatchfilePlace {
  remote: Remote;
  commit: string;
  path: string;
}

/** Where the Dispatchfile of a commit is: in the commit itself, unless the repository names another place. */
export async function placeOfDispatchfile(
  context: CiContext,
  repository: Repository,
  source: Source,
  commit: string,
): Promise<DispatchfilePlace> {
  const { mirrors } = context;
  const { repository: url, revision, path = 'Dispatchfile' } = repository.spec.dispatchfile ?? {};
  if (url === undefined && revision === undefined) return { remote: source.remote, commit, path };
  const other =
    url === undefined
      ? source
      : await sourceOf(context, { ...repository, spec: { ...repository.spec, url } });
  const wanted = revision ?? (await mirrors.defaultBranch(other.remote));
  return { remote: other.remote, commit: await mirrors.resolve(other.remote, wanted), path };
}

/** Reads and renders a Dispatchfile with its libraries. Undefined where there is none. */
export async function renderDispatchfile(
  { mirrors, renderer }: CiContext,
  { remote, commit, path }: DispatchfilePlace,
): Promise<Normalized | undefined> {
  const text = await mirrors.fileAt(remote, commit, path);
  if (text === undefined) return undefined;
  const lock = parseLock((await mirrors.fileAt(remote, commit, `${path}.lock`)) ?? '');
  const modules = new GitModules({
    mirrors,
    own: { remote, commit },
    lock,
    remoteOf: (name) => library(name, remote),
  });
  return renderer.render(text, { file: path, modules });
}

/** A library at the same host is fetched with the same login; any other without. */
function library(name: string, from: Remote): Remote {
  const url = `https://${name}.git`;
  const same = URL.canParse(from.url) && new URL(from.url).host === new URL(url).host;
  return { url, credentials: same ? from.credentials : undefined };
}
