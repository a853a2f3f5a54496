import Format from 'typebox/format';
import Schema from 'typebox/schema';
import { RE2JS } from 're2js';

/** Tells what is wrong with a value; nothing when it is as it should be. */
export type Check = (value: unknown) => string | undefined;

export class BadSchemaError extends Error {
  override name = 'BadSchemaError';
}

const MAX_PROBLEMS = 5;
const MAX_DEPTH = 64;
const MAX_PATTERN = 1024;
const PATTERN_FORMAT = 'dispatch-pattern:';
const ANNOTATIONS = new Set(['default', 'example', 'examples', 'enum', 'const', 'title', 'description']);

/**
 * A schema of a user, ready to check values. Its patterns run on an engine whose time grows with the length of the
 * text only: what a caller sends must not be able to stop the process.
 */
export function checkOf(schema: object): Check {
  let validator: ReturnType<typeof Schema.Compile>;
  try {
    validator = Schema.Compile(tamed(schema, 0) as never);
    validator.Check(null);
  } catch (error) {
    if (error instanceof BadSchemaError) throw error;
    throw new BadSchemaError(`The schema cannot be used: ${(error as Error).message}.`, { cause: error });
  }
  return (value) => {
    if (validator.Check(value)) return undefined;
    const [, errors] = validator.Errors(value);
    const words = errors.slice(0, MAX_PROBLEMS).map(({ instancePath, message, params, keyword }) => {
      const pattern = keyword === 'format' ? patternOf((params as { format?: string }).format) : undefined;
      return `${instancePath === '' ? 'it' : instancePath.slice(1).replaceAll('/', '.')} ${
        pattern === undefined ? message : `must match ${pattern}`
      }`;
    });
    return words.join('; ') || 'it does not fit';
  };
}

function tamed(schema: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new BadSchemaError('The schema is too deep: it has more than 64 levels.');
  if (Array.isArray(schema)) return schema.map((item) => tamed(item, depth + 1));
  if (typeof schema !== 'object' || schema === null) return schema;
  const result: Record<string, unknown> = {};
  const extra: object[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'pattern' && typeof value === 'string') extra.push({ format: formatOf(value) });
    else if (key === 'patternProperties')
      throw new BadSchemaError('The schema uses patternProperties, which are not supported.');
    else if (key === '$ref' && typeof value === 'string' && !value.startsWith('#'))
      throw new BadSchemaError(`The schema refers to ${value}: only references within it are followed.`);
    // What OpenAPI writes instead of a type "null".
    else if (key === 'nullable') continue;
    else result[key] = ANNOTATIONS.has(key) ? value : tamed(value, depth + 1);
  }
  if (extra.length > 0) result['allOf'] = [...((result['allOf'] as object[] | undefined) ?? []), ...extra];
  return 'nullable' in schema && schema.nullable === true ? { anyOf: [{ type: 'null' }, result] } : result;
}

/** A pattern under the name of a format, by which the validator asks our engine. */
function formatOf(pattern: string): string {
  const name = PATTERN_FORMAT + pattern;
  if (Format.Has(name)) return name;
  if (pattern.length > MAX_PATTERN)
    throw new BadSchemaError(`A pattern of the schema is longer than ${MAX_PATTERN} characters.`);
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    throw new BadSchemaError(
      `The pattern ${pattern} of the schema cannot be used: look-around and back-references are not supported.`,
      { cause: error },
    );
  }
  Format.Set(name, (text) => compiled.matcher(text).find());
  return name;
}

function patternOf(format: string | undefined): string | undefined {
  return format?.startsWith(PATTERN_FORMAT) ? format.slice(PATTERN_FORMAT.length) : undefined;
}
