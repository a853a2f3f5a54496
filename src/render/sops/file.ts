import { isMap, isScalar, isSeq, parseAllDocuments } from 'yaml';
import { RenderError } from '../go-template/index.ts';

/** Values as they were written: maps keep their order, because a checksum goes over all of them. */
export type Plain = string | bigint | number | boolean | null | Plain[] | PlainMap;
export type PlainMap = Map<string, Plain>;

export type Format = 'yaml' | 'json' | 'dotenv' | 'ini' | 'binary';

export interface EncryptedFile {
  format: Format;
  documents: PlainMap[];
  /** How it was encrypted. */
  metadata: PlainMap;
}

const METADATA = 'sops';
const LIST_FIELD = /^(\w+?)__list_(\d+)__map_(\w+)$/;

/** A file with encrypted values. Undefined for every other one. */
export function readEncrypted(path: string, text: string): EncryptedFile | undefined {
  if (!text.includes(METADATA)) return undefined;
  const format = formatOf(path);
  if (format === 'dotenv') return fromLines(text);
  if (format === 'ini') return fromSections(text);
  const documents = readDocuments(path, text);
  const metadata = documents.find((item) => item.get(METADATA) instanceof Map)?.get(METADATA);
  if (!(metadata instanceof Map) || !metadata.has('mac')) return undefined;
  for (const item of documents) item.delete(METADATA);
  return { format, documents, metadata };
}

function formatOf(path: string): Format {
  if (/\.ya?ml$/.test(path)) return 'yaml';
  if (path.endsWith('.json')) return 'json';
  if (path.endsWith('.env')) return 'dotenv';
  return path.endsWith('.ini') ? 'ini' : 'binary';
}

function readDocuments(path: string, text: string): PlainMap[] {
  const documents = parseAllDocuments(text, { intAsBigInt: true });
  return [...documents].flatMap((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw new RenderError(`${path}: ${problem.message.split('\n', 1)[0]}`);
    const value = plain(document.contents, path);
    return value instanceof Map ? [value] : [];
  });
}

function plain(node: unknown, path: string): Plain {
  if (isMap(node))
    return new Map(node.items.map(({ key, value }) => [String(plain(key, path)), plain(value, path)]));
  if (isSeq(node)) return node.items.map((item) => plain(item, path));
  if (isScalar(node)) return (node.value ?? null) as Plain;
  if (node === null || node === undefined) return null;
  throw new RenderError(`${path}: an encrypted file cannot have aliases: write what they stand for`);
}

/** Lines "name=value", with names that begin with "sops_" among them. */
function fromLines(text: string): EncryptedFile | undefined {
  const values: PlainMap = new Map();
  const metadata: PlainMap = new Map();
  for (const [name, value] of assignments(text))
    if (name.startsWith('sops_')) setFlat(metadata, name.slice('sops_'.length), value);
    else values.set(name, value);
  return metadata.has('mac') ? { format: 'dotenv', documents: [values], metadata } : undefined;
}

function fromSections(text: string): EncryptedFile | undefined {
  const sections: PlainMap = new Map();
  const metadata: PlainMap = new Map();
  let name = 'DEFAULT';
  for (const part of text.split(/^(?=\[)/m)) {
    const [head = '', ...rest] = part.split('\n');
    const section = /^\[(.*)\]\s*$/.exec(head)?.[1];
    name = section ?? name;
    for (const [key, value] of assignments((section === undefined ? [head, ...rest] : rest).join('\n')))
      if (name === METADATA) setFlat(metadata, key, value);
      else sections.set(name, new Map([...((sections.get(name) as PlainMap) ?? []), [key, value]]));
  }
  return metadata.has('mac') ? { format: 'ini', documents: [sections], metadata } : undefined;
}

function assignments(text: string): [name: string, value: string][] {
  return text.split(/\r?\n/).flatMap((line): [string, string][] => {
    const at = line.indexOf('=');
    if (at < 0 || /^\s*[#;]/.test(line)) return [];
    return [
      [
        line.slice(0, at).trim(),
        line
          .slice(at + 1)
          .trim()
          .replaceAll('\\n', '\n'),
      ],
    ];
  });
}

/** "age__list_0__map_enc" is the field enc of the first of age. */
function setFlat(into: PlainMap, name: string, value: string): void {
  const [, list, at, field] = LIST_FIELD.exec(name) ?? [];
  if (list === undefined || field === undefined) {
    into.set(name, value);
    return;
  }
  const items = (into.get(list) as PlainMap[] | undefined) ?? [];
  into.set(list, items);
  const index = Number(at);
  // A list has no holes: what comes out of order is no file that the tool has written.
  if (index > items.length) return;
  items[index] ??= new Map();
  items[index].set(field, value);
}

/** The text again, now with its values. JSON is YAML as well, and leaves nothing to be guessed. */
export function writeDecrypted({ format, documents }: EncryptedFile): Buffer {
  const [first = new Map() as PlainMap] = documents;
  switch (format) {
    case 'dotenv':
      return Buffer.from(linesOf(first));
    case 'ini':
      return Buffer.from(
        [...first].map(([name, fields]) => `[${name}]\n${linesOf(fields as PlainMap)}`).join('\n'),
      );
    case 'binary': {
      const data = first.get('data');
      return Buffer.from(typeof data === 'string' ? data : '', 'latin1');
    }
    default:
      return Buffer.from(documents.map((item) => `${JSON.stringify(item, asJson, 2)}\n`).join('---\n'));
  }
}

function linesOf(fields: PlainMap): string {
  return [...fields].map(([name, value]) => `${name}=${String(value).replaceAll('\n', '\\n')}\n`).join('');
}

function asJson(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Map ? Object.fromEntries(value as PlainMap) : value;
}
