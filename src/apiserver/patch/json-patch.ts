import { isDeepStrictEqual } from 'node:util';
import { ApiError, isRecord, cloneJson } from '../../kube/index.ts';

/** RFC 6902. Documents stay small and paths stay own properties: hostile patches end as a 4xx. */
interface Operation {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}

const MAX_OPERATIONS = 10_000;
const FORBIDDEN_KEYS = new Set(['__proto__']);

export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new ApiError('BadRequest', 'A JSON patch must be a list of operations.');
  if (patch.length > MAX_OPERATIONS) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `A JSON patch may have at most ${MAX_OPERATIONS} operations, not ${patch.length}.`,
    );
  }
  let result = document;
  let copied = 0;
  for (const item of patch) {
    const operation = parseOperation(item);
    if (operation.op === 'copy')
      copied += JSON.stringify(read(result, parsePointer(operation.from ?? ''))).length;
    if (copied > 3 * 1024 * 1024)
      throw new ApiError('RequestEntityTooLarge', 'The copies of this JSON patch add up to over 3 MiB.');
    result = applyOperation(result, operation);
  }
  return result;
}

function parseOperation(item: unknown): Operation {
  if (!isRecord(item) || typeof item['op'] !== 'string' || typeof item['path'] !== 'string') {
    throw new ApiError('BadRequest', 'Each operation of a JSON patch needs "op" and "path".');
  }
  const { op, path, from } = item;
  if ((op === 'move' || op === 'copy') && typeof from !== 'string') {
    throw new ApiError('BadRequest', `The JSON patch operation ${op} of ${path} needs "from".`);
  }
  return { op, path, value: item['value'], ...(typeof from === 'string' && { from }) };
}

function applyOperation(document: unknown, operation: Operation): unknown {
  const path = parsePointer(operation.path);
  switch (operation.op) {
    case 'add':
      return write(document, path, cloneJson(operation.value), 'add');
    case 'replace':
      read(document, path);
      return write(document, path, cloneJson(operation.value), 'replace');
    case 'remove':
      return remove(document, path);
    case 'test':
      if (isDeepStrictEqual(read(document, path), operation.value)) return document;
      throw new ApiError('Invalid', `The JSON patch test of ${operation.path} failed.`);
    case 'copy':
      return write(document, path, cloneJson(read(document, parsePointer(operation.from ?? ''))), 'add');
    case 'move': {
      const from = parsePointer(operation.from ?? '');
      if (operation.path.startsWith(`${operation.from}/`)) throw unreachable(operation.path);
      const value = read(document, from);
      return write(remove(document, from), path, value, 'add');
    }
    default:
      throw new ApiError('BadRequest', `JSON patch has no operation ${JSON.stringify(operation.op)}.`);
  }
}

function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/'))
    throw new ApiError(
      'BadRequest',
      `${JSON.stringify(pointer)} is no JSON pointer: it must start with "/".`,
    );
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(document: unknown, path: readonly string[]): unknown {
  let at = document;
  for (const key of path) {
    if (Array.isArray(at)) at = at[arrayIndex(at, key, at.length - 1)];
    else if (isRecord(at) && Object.hasOwn(at, key)) at = at[key];
    else throw unreachable(`/${path.join('/')}`);
  }
  return at;
}

function write(document: unknown, path: readonly string[], value: unknown, mode: 'add' | 'replace'): unknown {
  const key = path.at(-1);
  if (key === undefined) return value;
  const parent = read(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    if (mode === 'replace') parent[arrayIndex(parent, key, parent.length - 1)] = value;
    else parent.splice(key === '-' ? parent.length : arrayIndex(parent, key, parent.length), 0, value);
  } else if (isRecord(parent) && !FORBIDDEN_KEYS.has(key)) {
    parent[key] = value;
  } else {
    throw unreachable(`/${path.join('/')}`);
  }
  return document;
}

function remove(document: unknown, path: readonly string[]): unknown {
  const key = path.at(-1);
  if (key === undefined) return null;
  const parent = read(document, path.slice(0, -1));
  read(parent, [key]);
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (isRecord(parent)) delete parent[key];
  return document;
}

function arrayIndex(list: unknown[], key: string, last: number): number {
  const index = /^(?:0|[1-9]\d{0,8})$/.test(key) ? Number(key) : -1;
  if (index < 0 || index > last) throw unreachable(`${key} of a list of ${list.length}`);
  return index;
}

function unreachable(path: string): ApiError {
  return new ApiError('Invalid', `The JSON patch names ${path}, which the object does not have.`);
}
