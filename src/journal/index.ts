export { NewerFormatError } from './format.ts';
export { encodeFrame, type LogRecord, RecordKind, scanFrames } from './frame.ts';
export { DamagedLogError, Log } from './log.ts';
export { Stream, type StreamRecord } from './stream.ts';
export { Table } from './table.ts';
export { type PendingWrite, Writer } from './writer.ts';
