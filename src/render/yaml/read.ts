import {
  boolYaml11Tag,
  defineScalarTag,
  loadAll,
  mapTag,
  mergeTag,
  NOT_RESOLVED,
  nullYaml11Tag,
  Schema,
  seqTag,
  strTag,
  YAMLException,
} from 'js-yaml';
import { RenderError } from '../go-template/index.ts';
import { indentContinuations } from './indent.ts';

const MAX_ALIASES = 1_000;
const MAX_EXPANDED = 1_000_000;
const MAX_BYTES = 16 * 1024 * 1024;
const DIGITS = [...'-+0123456789'];

const INTEGER = /^[-+]?(?:0b[01_]+|0x[\da-fA-F_]+|0o[0-7]+|0[0-7_]*|[1-9][\d_]*)$/;
const FLOAT = /^[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const INFINITE = /^([-+]?)\.(?:inf|Inf|INF)$/;

/** Nothing is written with these. */
const never = (): boolean => false;

/** Numbers of every base, but no numbers of hours and minutes. */
const integer = defineScalarTag<number>('tag:yaml.org,2002:int', {
  implicit: true,
  identify: never,
  implicitFirstChars: DIGITS,
  resolve: (source) => {
    if (!INTEGER.test(source)) return NOT_RESOLVED;
    const sign = source.startsWith('-') ? -1 : 1;
    const digits = source.replace(/^[-+]/, '').replaceAll('_', '');
    const octal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
    return sign * Number(octal);
  },
});

const float = defineScalarTag<number>('tag:yaml.org,2002:float', {
  implicit: true,
  identify: never,
  implicitFirstChars: [...DIGITS, '.'],
  resolve: (source) => {
    if (FLOAT.test(source)) return Number(source.replaceAll('_', ''));
    const infinite = INFINITE.exec(source);
    if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return /^\.(?:nan|NaN|NAN)$/.test(source) ? Number.NaN : NOT_RESOLVED;
  },
});

/** Bytes stay the text that they are written as: so readers of Kubernetes hand them on. */
const binary = defineScalarTag<string>('tag:yaml.org,2002:binary', {
  implicit: false,
  identify: never,
  resolve: (source) => source,
});

/** YAML 1.1 as Kubernetes reads it: without dates, sets and ordered maps. */
const SCHEMA = new Schema([
  nullYaml11Tag,
  boolYaml11Tag,
  integer,
  float,
  mergeTag,
  binary,
  strTag,
  seqTag,
  mapTag,
]);

/** One document. */
export function readYaml(text: string, file: string): unknown {
  const documents = documentsIn(text, file);
  if (documents.length > 1) throw new RenderError(`${file} holds more than one document`);
  return documents[0] ?? null;
}

/** Every document of a file. Those that hold nothing are left out. */
export function readAllYaml(text: string, file: string): unknown[] {
  return documentsIn(text, file).filter((item) => item !== null && item !== undefined);
}

function documentsIn(text: string, file: string): unknown[] {
  if (text.length > MAX_BYTES) throw new RenderError(`${file} is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
  let documents: unknown[];
  try {
    documents = load(text);
  } catch (error) {
    if (!(error instanceof YAMLException))
      throw new RenderError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
    const line = error.mark?.line;
    throw new RenderError(`${file}${line === undefined ? '' : `:${line + 1}`}: ${error.reason}`, {
      cause: error,
    });
  }
  // What stands in several places is one object here, and would be many where it is written out.
  if (/\*\w/.test(text)) for (const document of documents) expandedSize(document, new Map(), file);
  return documents;
}

function load(text: string): unknown[] {
  const options = { schema: SCHEMA, json: true, maxAliases: MAX_ALIASES };
  try {
    return loadAll(text, options);
  } catch (error) {
    if (!(error instanceof YAMLException) || error.reason !== 'deficient indentation') throw error;
    return loadAll(indentContinuations(text), options);
  }
}

function expandedSize(value: unknown, known: Map<object, number>, file: string): number {
  if (typeof value !== 'object' || value === null) return 1;
  const before = known.get(value);
  if (before !== undefined) return before;
  known.set(value, Number.POSITIVE_INFINITY);
  const size = Object.values(value).reduce<number>((sum, item) => sum + expandedSize(item, known, file), 1);
  if (size > MAX_EXPANDED) throw new RenderError(`${file} repeats itself too often by aliases`);
  known.set(value, size);
  return size;
}
