export { ApiServer, type ApiServerOptions } from './api-server.ts';
export { type BackupHeader, BadBackupError, createBackup, readBackup } from './backup.ts';
export { ADMIN } from './auth/index.ts';
export type { LocalService } from './aggregation/index.ts';
export {
  ApiCore,
  type ApiRequest,
  listReply,
  NO_PODS,
  objectReply,
  type PodConnector,
  type Reply,
  type RequestInfo,
} from './http/index.ts';
export { AGE_COLUMN, column, describeKinds, NAME_COLUMN, type Resource, textAt } from './kinds/index.ts';
export { writeDurably } from './pki/index.ts';
export { rotateKey } from './rotate-key.ts';
export type { Sink, User } from './registry/index.ts';
export { DamagedLogError, NewerFormatError } from './store/index.ts';
export { VERSION_INFO } from './version.ts';
export { InProcessTransport } from './in-process.ts';
export { TestServer } from './test-server.ts';
export {
  type CommandEnd,
  type CommandOptions,
  type CommandStreams,
  type LogOptions,
  type PodRuntime,
  podConnector,
  type TerminalSize,
} from './streaming/index.ts';
