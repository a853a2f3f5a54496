import type { Access, Authorize } from '../images/index.ts';
import type { TokenAccess } from './token-access.ts';

const VERBS: Record<Access, string> = { pull: 'get', push: 'update', delete: 'delete' };

/** Who may do what in the registry. A repository "team/app" belongs to the namespace "team", one without a slash to "default". */
export function registryAccess(access: TokenAccess): Authorize {
  return (header, wanted, repository) => {
    // Everybody who is known may ask whether the registry is there.
    if (repository === undefined) return access.may(header, { verb: 'list', resource: 'images' }, () => true);
    const slash = repository.indexOf('/');
    return access.may(header, {
      verb: VERBS[wanted],
      resource: 'images',
      namespace: slash < 0 ? 'default' : repository.slice(0, slash),
      name: repository.slice(slash + 1),
    });
  };
}
