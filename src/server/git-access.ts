import { UNTRUSTED } from '../ci/index.ts';
import type { AuthorizeGit } from '../scm/index.ts';
import type { TokenAccess } from './token-access.ts';

/**
 * Who may read and write the repositories of this server. The owner of a repository is the namespace whose rights
 * hold. The service accounts of a namespace may read its repositories: its pipelines
 * have to. The one that code of strangers runs as may not.
 */
export function gitAccess(access: TokenAccess): AuthorizeGit {
  return (header, wanted, { owner, name }) =>
    access.may(
      header,
      { verb: wanted === 'read' ? 'get' : 'update', resource: 'gitrepositories', namespace: owner, name },
      (username) =>
        wanted === 'read' &&
        username.startsWith(`system:serviceaccount:${owner}:`) &&
        username !== `system:serviceaccount:${owner}:${UNTRUSTED}`,
    );
}
