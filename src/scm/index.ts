export { type AuthorizeGit, type GitAccess, GitHttp } from './forge/git-http.ts';
export { NO_COMMIT, type Push, PushSpool, type RefUpdate } from './forge/push-spool.ts';
export { ForgeError, ForgeRepositories, type ForgeRepository } from './forge/repositories.ts';
export { Git, GitError, isSafeRevision, withoutCredentials } from './git.ts';
