export { Cipher, type EncryptionKey } from './cipher.ts';
export type { Entry } from './collection.ts';
export type { ChangeEvent, HistoryLimits } from './history.ts';
export { DamagedLogError } from './log.ts';
export {
  CompactedError,
  ConflictError,
  type Shelf,
  Store,
  type StoreOptions,
  type Write,
  WriteFailedError,
} from './store.ts';
export { encodeFrame, type LogRecord, scanFrames } from './frame.ts';
export { NewerFormatError } from './format.ts';
