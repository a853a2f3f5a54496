export { Cipher, type EncryptionKey } from './cipher.ts';
export type { Entry } from './collection.ts';
export type { ChangeEvent, HistoryLimits } from './history.ts';
export {
  CompactedError,
  ConflictError,
  type Shelf,
  Store,
  type StoreOptions,
  type Write,
  WriteFailedError,
} from './store.ts';
export {
  DamagedLogError,
  encodeFrame,
  type LogRecord,
  NewerFormatError,
  scanFrames,
} from '../../journal/index.ts';
