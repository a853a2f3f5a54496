import { UNTRUSTED } from '../ci/index.ts';
import type { AuthorizeGit } from '../scm/index.ts';
import type { TokenAccess } from './token-access.ts';

/**
 * Who may read and write the repositories of this server. The owner of a repository is the namespace whose rights
 * hold. The service accounts of a namespace may read its repositories, and propose changes: its pipelines have to.
 * The one that code of strangers runs as may not.
 */
export function gitAccess(access: TokenAccess): AuthorizeGit {
  return async (header, wanted, { owner, name }) => {
    const isOwnAccount = (username: string): boolean =>
      username.startsWith(`system:serviceaccount:${owner}:`) &&
      username !== `system:serviceaccount:${owner}:${UNTRUSTED}`;
    const at = { resource: 'gitrepositories', namespace: owner, name };
    if (wanted === 'read') return access.may(header, { verb: 'get', ...at }, isOwnAccount);
    const verdict = await access.may(header, { verb: 'update', ...at });
    if (verdict !== 'no') return verdict;
    // Nobody but those accounts is given this right by anything else.
    return (await access.may(header, { verb: 'propose', ...at }, isOwnAccount)) === 'yes' ? 'propose' : 'no';
  };
}
