import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import { RE2JS } from 're2js';
import { RenderError } from '../go-template/index.ts';
import { type EncryptedFile, type Plain, type PlainMap, readEncrypted, writeDecrypted } from './file.ts';
import { dataKeyOf, type SopsKeys } from './keys.ts';

type Scalar = Exclude<Plain, Plain[] | PlainMap>;

interface Rules {
  encrypts: (path: readonly string[], value: Scalar) => boolean;
  /** Only what was encrypted counts for the checksum. */
  countsAll: boolean;
}

const VALUE = /^ENC\[AES256_GCM,data:([\w+/=]*),iv:([\w+/=]+),tag:([\w+/=]+),type:(\w+)\]$/;
const SEALED = 'ENC[AES256_GCM,';
const UNENCRYPTED_SUFFIX = '_unencrypted';

/** A file as it was before it was encrypted with SOPS; as it is where it is no such file. */
export async function decryptFile(path: string, bytes: Buffer, keys: SopsKeys): Promise<Buffer> {
  // Nearly all files are others: no time is spent on them.
  if (!bytes.includes(SEALED)) return bytes;
  const file = readEncrypted(path, bytes.toString());
  if (file === undefined) return bytes;
  const key = await dataKeyOf(path, file.metadata, keys);
  try {
    return writeDecrypted(decrypted(file, key));
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    throw new RenderError(`${path} cannot be decrypted: ${error.message}`, { cause: error });
  }
}

function decrypted(file: EncryptedFile, key: Buffer): EncryptedFile {
  const { metadata, documents, format } = file;
  const rules = rulesOf(metadata);
  const hash = createHash('sha512');
  // So that the one kind of checksum is never taken for the other.
  if (!rules.countsAll) hash.update(createHash('sha256').update('sops').digest());
  const isBinary = format === 'binary';
  const open = (value: Plain, path: readonly string[]): Plain => {
    if (value instanceof Map)
      return new Map([...value].map(([name, item]) => [name, open(item, [...path, name])]));
    if (Array.isArray(value)) return value.map((item) => open(item, path));
    const isSecret = rules.encrypts(path, value);
    const plain = isSecret ? scalarOf(value, key, `${path.join(':')}:`, isBinary) : value;
    if ((isSecret || rules.countsAll) && plain !== null)
      hash.update(bytesOf(plain, isBinary ? 'latin1' : 'utf8'));
    return plain;
  };
  const opened = documents.map((item) => open(item, []) as PlainMap);
  verify(metadata, key, hash.digest('hex').toUpperCase());
  return { ...file, documents: opened };
}

/** Which values are encrypted: one of several fields says that. Comments are not read, so there the values do. */
function rulesOf(metadata: PlainMap): Rules {
  const text = (name: string): string => {
    const value = metadata.get(name);
    return typeof value === 'string' ? value : '';
  };
  const encryptedSuffix = text('encrypted_suffix');
  const [encrypted, unencrypted] = [text('encrypted_regex'), text('unencrypted_regex')].map(regexOf);
  const suffix = text('unencrypted_suffix') || UNENCRYPTED_SUFFIX;
  const countsAll = !['true', true].includes(metadata.get('mac_only_encrypted') as string | boolean);
  const isByComment = text('encrypted_comment_regex') + text('unencrypted_comment_regex') !== '';
  const encrypts = (path: readonly string[], value: Scalar): boolean => {
    if (isByComment) return sealedIn(value) !== undefined;
    if (encryptedSuffix !== '') return path.some((name) => name.endsWith(encryptedSuffix));
    if (encrypted !== undefined) return path.some((name) => encrypted.matcher(name).find());
    if (unencrypted !== undefined) return !path.some((name) => unencrypted.matcher(name).find());
    return !path.some((name) => name.endsWith(suffix));
  };
  return { encrypts, countsAll };
}

function regexOf(text: string): RE2JS | undefined {
  return text === '' ? undefined : RE2JS.compile(text);
}

function scalarOf(value: Scalar, key: Buffer, path: string, isBinary: boolean): Scalar {
  if (value === null || value === '') return value;
  const place = path.slice(0, -1);
  const sealed = sealedIn(value);
  if (sealed === undefined) throw new RenderError(`the value at ${place} is not encrypted, and should be`);
  const bytes = unsealed(sealed, key, path);
  if (bytes === undefined) throw new RenderError(`the value at ${place} was changed after it was encrypted`);
  const text = bytes.toString(isBinary ? 'latin1' : 'utf8');
  switch (sealed.type) {
    case 'int':
      return BigInt(text);
    case 'float':
      return Number(text);
    case 'bool':
      return text.toLowerCase() === 'true';
    default:
      return text;
  }
}

interface Sealed {
  data: string;
  iv: string;
  tag: string;
  type: string;
}

function sealedIn(value: Plain | undefined): Sealed | undefined {
  const [, data, iv, tag, type] = (typeof value === 'string' ? VALUE.exec(value) : null) ?? [];
  return data === undefined || iv === undefined || tag === undefined || type === undefined
    ? undefined
    : { data, iv, tag, type };
}

/** Undefined for what was sealed with another key, for another place, or changed since. */
function unsealed({ data, iv, tag }: Sealed, key: Buffer, place: string): Buffer | undefined {
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'), { authTagLength: 16 });
    cipher.setAAD(Buffer.from(place)).setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([cipher.update(Buffer.from(data, 'base64')), cipher.final()]);
  } catch {
    return undefined;
  }
}

/** As the checksum of the tool takes values. */
function bytesOf(value: NonNullable<Scalar>, encoding: 'latin1' | 'utf8'): Buffer {
  if (typeof value === 'boolean') return Buffer.from(value ? 'True' : 'False');
  return Buffer.from(typeof value === 'number' ? decimal(value) : String(value), encoding);
}

/** Without an exponent. */
function decimal(value: number): string {
  const text = String(value);
  const [, sign = '', whole = '', part = '', exponent] = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text) ?? [];
  if (exponent === undefined) return text;
  const digits = whole + part;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.padEnd(point, '0')}`;
}

/** Nothing was taken away, added or moved. */
function verify(metadata: PlainMap, key: Buffer, actual: string): void {
  const sealed = sealedIn(metadata.get('mac'));
  const expected = sealed && unsealed(sealed, key, String(metadata.get('lastmodified')));
  if (expected?.length !== actual.length || !timingSafeEqual(expected, Buffer.from(actual)))
    throw new RenderError('something in it was changed after it was encrypted');
}
