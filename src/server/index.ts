export { detectRuntime } from '../node/index.ts';
export { restore } from './backup.ts';
export { type DataDir, dataDir } from './data-dir.ts';
export { EmbeddedServer, type EmbeddedOptions } from './embedded.ts';
export { WEB_URL } from './web-server.ts';
export { isAlive } from './process-identity.ts';
export { rotateEncryption } from './rotate-key.ts';
export { runningServer, type ServerFile } from './server-file.ts';
export { UserError } from './user-error.ts';
