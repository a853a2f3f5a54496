import { parse as parseYaml } from 'yaml';
import { ApiError, cloneJson } from '../../kube/index.ts';
import { type ApiRequest, headerOf } from './request.ts';

export const MAX_BODY = 3 * 1024 * 1024;
const MAX_DEPTH = 256;
const FORBIDDEN_KEY = '__proto__';
/** The forbidden key may be spelt with escapes. */
const ESCAPED_UNDERSCORE = '\\u005';

const JSON_TYPES = new Set([
  '',
  'application/json',
  '*/*',
  'text/plain',
  'application/x-www-form-urlencoded',
]);
const YAML_TYPES = new Set(['application/yaml', 'text/yaml', 'application/x-yaml']);

export function mediaType(request: Pick<ApiRequest, 'headers'>): string {
  return headerOf(request, 'content-type').split(';')[0]!.trim().toLowerCase();
}

/** The body as a value. Refuses other encodings by name instead of misreading them. */
export function readBody(request: ApiRequest, accepted: 'object' | 'patch' = 'object'): unknown {
  const { body } = request;
  if (body === undefined) return undefined;
  if (!Buffer.isBuffer(body)) return cloneJson(body);
  if (body.length === 0) return undefined;
  const type = mediaType(request);
  if (accepted === 'object' && YAML_TYPES.has(type)) return parseYamlBody(body);
  if (accepted === 'object' && !JSON_TYPES.has(type)) {
    throw new ApiError(
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (got ${type})`,
    );
  }
  return parseJson(body.toString());
}

export function parseYamlBody(body: Buffer): unknown {
  try {
    // Aliases can make a small file huge.
    const value: unknown = parseYaml(body.toString(), {
      maxAliasCount: 100,
      schema: 'core',
      merge: true,
      logLevel: 'silent',
    });
    return parseJson(JSON.stringify(value));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('BadRequest', `The body is not valid YAML: ${firstLine(error)}`, undefined, error);
  }
}

export function parseJson(text: string): unknown {
  if (text.length > MAX_DEPTH && hasManyBrackets(text)) checkDepth(text);
  const hasForbidden = text.includes(FORBIDDEN_KEY) || text.includes(ESCAPED_UNDERSCORE);
  try {
    return hasForbidden ? JSON.parse(text, refuseForbidden) : JSON.parse(text);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('BadRequest', `The body is not valid JSON: ${firstLine(error)}`, undefined, error);
  }
}

/** Fewer brackets than the limit cannot be nested deeper than it: most bodies need no closer look. */
function hasManyBrackets(text: string): boolean {
  let count = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > MAX_DEPTH) return true;
    }
  }
  return false;
}

/** Deep nesting would overflow the stack of everything that walks the value. */
function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) {
      inString = true;
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH)
        throw new ApiError('BadRequest', `The body is nested more than ${MAX_DEPTH} levels deep.`);
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1;
    }
  }
}

function refuseForbidden(this: unknown, key: string, value: unknown): unknown {
  if (key === FORBIDDEN_KEY)
    throw new ApiError('BadRequest', `The body has the key ${FORBIDDEN_KEY}, which is not allowed.`);
  return value;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 200);
}
