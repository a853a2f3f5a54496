export { ChangeRequestController } from './forge/change-request.controller.ts';
export {
  CHANGE_REQUESTS,
  type ChangeRequest,
  isOpen,
  LocalForge,
  numberOf,
} from './forge/changes.ts';
export { ForgeHttp } from './forge/forge-http.ts';
export { type AuthorizeGit, type GitAccess, GitHttp } from './forge/git-http.ts';
export { NO_COMMIT, type Push, PushSpool, type RefUpdate } from './forge/push-spool.ts';
export { ForgeError, ForgeRepositories, type ForgeRepository } from './forge/repositories.ts';
export { Git, GitError, isSafeRevision, withoutCredentials } from './git.ts';
export { contentHash, Mirrors, MissingRevisionError, type Remote } from './mirror.ts';
export { connectProvider, homeOf, type ProviderOptions, repositoryOf } from './providers/connect.ts';
export {
  type CommitStatus,
  type Credentials,
  type NewRelease,
  PROVIDER_NAMES,
  type OpenPullRequest,
  type Proposal,
  type ProviderName,
  type PullRequest,
  type Release,
  ScmError,
  type ScmEvent,
  type ScmProvider,
  type StatusState,
} from './providers/types.ts';
export { eventsOf, isAuthentic, refEvents } from './providers/webhook.ts';
export {
  forgeCloneUrl,
  forgeName,
  localName,
  type RepositoryPlace,
  type Source,
  type SourceContext,
  SourceProblem,
  sourceOf,
} from './source.ts';
export { answerDelivery, type DeliveryPlace } from './delivery.ts';
export { ensureHook } from './webhooks.ts';
export { S3, type S3Server } from './s3.ts';
export { certificateFor, TLS_CERTIFICATES } from './certificates.ts';
export { sshHost, type SshLogin, sshLoginOf } from './ssh.ts';
