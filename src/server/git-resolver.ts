import type { RemoteResolver } from '../pipelines/index.ts';
import type { Mirrors } from '../scm/index.ts';

/** Tekton's `git` resolver: a file of a repository that anybody may read, at a branch, tag or commit. */
export function gitResolver(mirrors: Mirrors): RemoteResolver {
  return async (params) => {
    const url = String(params['url'] ?? '');
    const path = String(params['pathInRepo'] ?? '');
    const revision = String(params['revision'] ?? 'main');
    if (!/^https?:\/\/[^@]+$/.test(url))
      throw new Error(
        `${JSON.stringify(url)} cannot be fetched from: give an http or https address without a login`,
      );
    const remote = { url, credentials: undefined };
    const commit = await mirrors.resolve(remote, revision);
    const text = await mirrors.fileAt(remote, commit, path);
    if (text === undefined) throw new Error(`there is no file ${path} at ${revision}`);
    return {
      text,
      provenance: { refSource: { uri: `git+${url}`, digest: { sha1: commit }, entryPoint: path } },
    };
  };
}
