import { ApiError } from '../../kube/index.ts';
import type { Schema } from '../schema/index.ts';
import { FIELD_NUMBERS } from './numbers.ts';
import { readFields, type WireField } from './wire.ts';

/** `k8s` and a zero byte: what every Kubernetes protobuf body begins with. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const MAX_DEPTH = 64;

type Fields = Record<string, unknown>;

interface NumberedField {
  name: string;
  keepsZero: boolean;
  /** The type whose fields lie inside this message but belong to the object around it. */
  inline?: string;
}

type Numbers = ReadonlyMap<number, NumberedField>;

/** Finds the schema of a kind by `group/version` and name. */
export type FindSchema = (apiVersion: string, kind: string) => Schema | undefined;

/** Turns protobuf bodies of built-in kinds into the objects that JSON bodies would have given. */
export class ProtobufDecoder {
  readonly #types = new Map<string, Numbers>();

  constructor() {
    for (const [prefix, text] of Object.entries(FIELD_NUMBERS)) {
      for (const line of text.trim().split('\n')) {
        const [type = '', ...fields] = line.split(' ');
        this.#types.set(`${prefix}.${type}`, new Map(fields.map(parseField)));
      }
    }
  }

  decode(body: Buffer, find: FindSchema): Fields {
    if (!body.subarray(0, MAGIC.length).equals(MAGIC))
      throw new ApiError('BadRequest', 'The body is not Kubernetes protobuf: its first bytes are wrong.');
    try {
      const { apiVersion, kind, raw } = readEnvelope(body.subarray(MAGIC.length));
      const schema = find(apiVersion, kind);
      if (schema?.name === undefined || !this.#types.has(schema.name)) {
        throw new ApiError(
          'UnsupportedMediaType',
          `${kind} of ${apiVersion} cannot be sent as protobuf: send application/json.`,
        );
      }
      return { apiVersion, kind, ...this.#message(schema, schema.name, raw, 0) };
    } catch (error) {
      if (error instanceof RangeError)
        throw new ApiError(
          'BadRequest',
          `The body is not valid protobuf: ${error.message}.`,
          undefined,
          error,
        );
      throw error;
    }
  }

  #message(schema: Schema, type: string, bytes: Buffer, depth: number): Fields {
    if (depth > MAX_DEPTH) throw new RangeError(`messages are nested more than ${MAX_DEPTH} levels deep`);
    const numbers = this.#types.get(type);
    const result: Fields = {};
    for (const wire of readFields(bytes)) {
      const field = numbers?.get(wire.number);
      if (field === undefined) continue;
      if (field.inline !== undefined) {
        const prefix = type.slice(0, type.lastIndexOf('.') + 1);
        Object.assign(
          result,
          this.#message(schema, `${prefix}${field.inline}`, wire.bytes ?? Buffer.alloc(0), depth + 1),
        );
        continue;
      }
      const inner = schema.properties?.get(field.name)?.schema;
      if (inner !== undefined) this.#assign(result, field, inner, wire, depth);
    }
    return result;
  }

  #assign(result: Fields, field: NumberedField, schema: Schema, wire: WireField, depth: number): void {
    if (schema.type === 'array') {
      const list = (result[field.name] as unknown[] | undefined) ?? [];
      list.push(this.#value(schema.items ?? { type: 'any' }, wire, depth));
      result[field.name] = list;
    } else if (schema.values !== undefined) {
      const [key, value] = this.#entry(schema.values, wire, depth);
      const entries = new Map(Object.entries((result[field.name] as Fields | undefined) ?? {}));
      if (key !== '__proto__') entries.set(key, value);
      result[field.name] = Object.fromEntries(entries);
    } else {
      const value = this.#value(schema, wire, depth);
      if (field.keepsZero || !isZero(value)) result[field.name] = value;
    }
  }

  /** Maps travel as messages of a key and a value. */
  #entry(schema: Schema, wire: WireField, depth: number): [string, unknown] {
    let key = '';
    let value: unknown = schema.type === 'string' ? '' : undefined;
    for (const part of readFields(wire.bytes ?? Buffer.alloc(0))) {
      if (part.number === 1) key = part.bytes?.toString() ?? '';
      else if (part.number === 2)
        value = schema.type === 'array' ? this.#strings(part) : this.#value(schema, part, depth);
    }
    return [key, value];
  }

  #strings(wire: WireField): string[] {
    return [...readFields(wire.bytes ?? Buffer.alloc(0))].map((part) => part.bytes?.toString() ?? '');
  }

  #value(schema: Schema, wire: WireField, depth: number): unknown {
    const bytes = wire.bytes ?? Buffer.alloc(0);
    switch (schema.type) {
      case 'integer':
        return Number(wire.bits ?? 0n);
      case 'number':
        return wire.double ?? 0;
      case 'boolean':
        return (wire.bits ?? 0n) !== 0n;
      case 'intOrString':
        return intOrString(bytes);
      case 'string':
        return text(schema, bytes);
      case 'any':
        return raw(bytes);
      default:
        return this.#message(schema, schema.name ?? '', bytes, depth + 1);
    }
  }
}

function parseField(text: string): [number, NumberedField] {
  const [name = '', number = ''] = text.replace('*', '').split('=');
  const field = { name, keepsZero: text.endsWith('*') };
  return [Number(number), name.startsWith('~') ? { ...field, inline: name.slice(1) } : field];
}

function readEnvelope(bytes: Buffer): { apiVersion: string; kind: string; raw: Buffer } {
  const result = { apiVersion: '', kind: '', raw: Buffer.alloc(0) };
  for (const field of readFields(bytes)) {
    if (field.number === 2) result.raw = Buffer.from(field.bytes ?? []);
    if (field.number !== 1) continue;
    for (const part of readFields(field.bytes ?? Buffer.alloc(0))) {
      if (part.number === 1) result.apiVersion = part.bytes?.toString() ?? '';
      else if (part.number === 2) result.kind = part.bytes?.toString() ?? '';
    }
  }
  return result;
}

function text(schema: Schema, bytes: Buffer): unknown {
  if (schema.format === 'byte') return bytes.toString('base64');
  if (schema.format === 'date-time') return time(bytes, schema.name?.endsWith('MicroTime') ? 6 : 0);
  if (schema.format === 'quantity')
    return [...readFields(bytes)].find((field) => field.number === 1)?.bytes?.toString() ?? '0';
  return bytes.toString();
}

function time(bytes: Buffer, digits: 0 | 6): string | null {
  let seconds = 0n;
  let nanos = 0n;
  for (const field of readFields(bytes)) {
    if (field.number === 1) seconds = field.bits ?? 0n;
    else if (field.number === 2) nanos = field.bits ?? 0n;
  }
  if (bytes.length === 0) return null;
  const whole = new Date(Number(seconds) * 1000);
  if (Number.isNaN(whole.getTime())) throw new RangeError('a time is out of range');
  const prefix = whole.toISOString().slice(0, 19);
  return digits === 0 ? `${prefix}Z` : `${prefix}.${String(nanos / 1000n).padStart(6, '0')}Z`;
}

function intOrString(bytes: Buffer): number | string {
  let isText = false;
  let number = 0;
  let string = '';
  for (const field of readFields(bytes)) {
    if (field.number === 1) isText = field.bits === 1n;
    else if (field.number === 2) number = Number(field.bits ?? 0n);
    else if (field.number === 3) string = field.bytes?.toString() ?? '';
  }
  return isText ? string : number;
}

/** Raw extensions hold JSON. */
function raw(bytes: Buffer): unknown {
  const inner = [...readFields(bytes)].find((field) => field.number === 1)?.bytes;
  if (inner === undefined || inner.length === 0) return null;
  try {
    return JSON.parse(inner.toString());
  } catch {
    throw new RangeError('an embedded value is not JSON');
  }
}

function isZero(value: unknown): boolean {
  if (value === '' || value === 0 || value === false || value === null) return true;
  return typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0;
}
