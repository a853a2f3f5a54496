const BLOCK = 512;

export interface TarEntry {
  /** Without a leading slash; directories may end in one. */
  name: string;
  type: 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'character' | 'block';
  mode: number;
  uid?: number;
  gid?: number;
  /** Seconds since the epoch. */
  mtime?: number;
  size?: number;
  linkname?: string;
  major?: number;
  minor?: number;
  xattrs?: Record<string, string>;
}

const TYPES: Record<TarEntry['type'], string> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};
const MAX_NAME = 100;
const MAX_OCTAL = 0o7777777;

/** The bytes before an entry's content. The same entry always gives the same bytes. */
export function tarHeader(entry: TarEntry): Buffer {
  const name = entry.type === 'directory' && !entry.name.endsWith('/') ? `${entry.name}/` : entry.name;
  const records: string[] = [];
  const long = (text: string): boolean => Buffer.byteLength(text) > MAX_NAME || /[^\x20-\x7e]/.test(text);
  if (long(name)) records.push(paxRecord('path', name));
  if (entry.linkname !== undefined && long(entry.linkname))
    records.push(paxRecord('linkpath', entry.linkname));
  if ((entry.uid ?? 0) > MAX_OCTAL) records.push(paxRecord('uid', String(entry.uid)));
  if ((entry.gid ?? 0) > MAX_OCTAL) records.push(paxRecord('gid', String(entry.gid)));
  if ((entry.size ?? 0) > 0o77777777777) records.push(paxRecord('size', String(entry.size)));
  for (const [key, value] of Object.entries(entry.xattrs ?? {}).sort())
    records.push(paxRecord(`SCHILY.xattr.${key}`, value));
  const header = ustar({ ...entry, name }, TYPES[entry.type]);
  if (records.length === 0) return header;
  const body = Buffer.from(records.join(''));
  const pax = ustar({ name: 'PaxHeaders/entry', type: 'file', mode: 0o644, size: body.length }, 'x');
  return Buffer.concat([pax, body, tarPadding(body.length), header]);
}

/** What fills the last block of a content. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

export const TAR_END = Buffer.alloc(BLOCK * 2);

function ustar(entry: TarEntry, type: string): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(Buffer.from(entry.name).subarray(0, MAX_NAME).toString('latin1'), 0, 'latin1');
  octal(header, entry.mode & 0o7777, 100, 8);
  octal(header, Math.min(entry.uid ?? 0, MAX_OCTAL), 108, 8);
  octal(header, Math.min(entry.gid ?? 0, MAX_OCTAL), 116, 8);
  octal(header, entry.type === 'file' ? Math.min(entry.size ?? 0, 0o77777777777) : 0, 124, 12);
  octal(header, Math.max(0, Math.floor(entry.mtime ?? 0)), 136, 12);
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write(
    Buffer.from(entry.linkname ?? '')
      .subarray(0, MAX_NAME)
      .toString('latin1'),
    157,
    'latin1',
  );
  header.write('ustar\x0000', 257, 'latin1');
  if (entry.type === 'character' || entry.type === 'block') {
    octal(header, entry.major ?? 0, 329, 8);
    octal(header, entry.minor ?? 0, 337, 8);
  }
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function octal(header: Buffer, value: number, at: number, length: number): void {
  header.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
}

/** "length key=value\n", where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const size = Buffer.byteLength(rest);
  let length = size + String(size).length;
  if (String(length).length + size > length) length += 1;
  return `${length}${rest}`;
}
