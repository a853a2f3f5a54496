export { ApiServer, type ApiServerOptions } from './api-server.ts';
export { type BackupHeader, BadBackupError, createBackup, readBackup } from './backup.ts';
export { ADMIN } from './auth/index.ts';
export { ApiCore, type ApiRequest, NO_PODS, type PodConnector, type Reply } from './http/index.ts';
export { rotateEncryptionKey, writeDurably } from './pki/index.ts';
export type { Sink, User } from './registry/index.ts';
export { DamagedLogError } from './store/index.ts';
export { VERSION_INFO } from './version.ts';
