import { crc32 } from 'node:zlib';

/**
 * The bytes of the durable log. A frame is one group commit: everything in it becomes durable together.
 *
 *   frame  = magic u32 · body length u32 · crc32 of body u32 · body
 *   body   = record*
 *   record = kind u8 · revision f64 · key length u16 · value length u32 · key · value
 *
 * A frame is written only after the one before it is on disk, so a torn frame can only be the last.
 */
export const FRAME_HEADER = 12;
const RECORD_HEADER = 15;
const MAGIC = 0x4c504344;
const MAX_KEY = 4096;

export const RecordKind = {
  /** The object's bytes as of this revision. */
  put: 1,
  /** The object's last bytes; it is gone as of this revision. */
  remove: 2,
  /** No history before this revision is kept. */
  compacted: 3,
  /** A value of the compacted past: part of the state that the history after it applies to. */
  base: 4,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

export interface LogRecord {
  kind: RecordKind;
  revision: number;
  key: string;
  value: Buffer;
}

const NOTHING = Buffer.alloc(0);

export function encodeFrame(records: readonly LogRecord[]): Buffer[] {
  const parts: Buffer[] = [NOTHING];
  let length = 0;
  let checksum = 0;
  for (const record of records) {
    const key = Buffer.from(record.key);
    if (key.length > MAX_KEY) throw new RangeError(`key of ${key.length} bytes`);
    const head = Buffer.allocUnsafe(RECORD_HEADER + key.length);
    head.writeUInt8(record.kind, 0);
    head.writeDoubleLE(record.revision, 1);
    head.writeUInt16LE(key.length, 9);
    head.writeUInt32LE(record.value.length, 11);
    key.copy(head, RECORD_HEADER);
    checksum = crc32(record.value, crc32(head, checksum));
    length += head.length + record.value.length;
    parts.push(head, record.value);
  }
  const header = Buffer.allocUnsafe(FRAME_HEADER);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt32LE(length, 4);
  header.writeUInt32LE(checksum, 8);
  parts[0] = header;
  return parts;
}

export interface FrameScan {
  /** Offset just behind the last whole frame. */
  end: number;
  /** A whole frame follows a broken one: bytes that were once acknowledged are damaged. */
  damaged: boolean;
}

/** Calls `visit` for every record of every whole frame, in order. */
export function scanFrames(bytes: Buffer, visit: (record: LogRecord) => void): FrameScan {
  let at = 0;
  for (;;) {
    const end = wholeFrame(bytes, at);
    if (end === undefined) return { end: at, damaged: laterFrame(bytes, at + 1) };
    visitRecords(bytes.subarray(at + FRAME_HEADER, end), visit);
    at = end;
    if (at === bytes.length) return { end: at, damaged: false };
  }
}

function wholeFrame(bytes: Buffer, at: number): number | undefined {
  if (at + FRAME_HEADER > bytes.length || bytes.readUInt32LE(at) !== MAGIC) return undefined;
  const end = at + FRAME_HEADER + bytes.readUInt32LE(at + 4);
  if (end > bytes.length) return undefined;
  return crc32(bytes.subarray(at + FRAME_HEADER, end)) === bytes.readUInt32LE(at + 8) ? end : undefined;
}

function laterFrame(bytes: Buffer, from: number): boolean {
  const mark = Buffer.allocUnsafe(4);
  mark.writeUInt32LE(MAGIC);
  for (let at = bytes.indexOf(mark, from); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    if (wholeFrame(bytes, at) !== undefined) return true;
  }
  return false;
}

function visitRecords(body: Buffer, visit: (record: LogRecord) => void): void {
  for (let at = 0; at < body.length; ) {
    const keyEnd = at + RECORD_HEADER + body.readUInt16LE(at + 9);
    const end = keyEnd + body.readUInt32LE(at + 11);
    visit({
      kind: body.readUInt8(at) as RecordKind,
      revision: body.readDoubleLE(at + 1),
      key: body.toString('utf8', at + RECORD_HEADER, keyEnd),
      // A copy, so that one small object does not keep the whole file's memory alive.
      value: Buffer.from(body.subarray(keyEnd, end)),
    });
    at = end;
  }
}
