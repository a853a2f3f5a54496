import type { Json } from '../../kube/index.ts';
import type { Field, Schema } from './schema.ts';

/**
 * A short notation for the shapes of the built-in kinds:
 *
 *   Container # A program of the pod.
 *     name! string                      required
 *     image string # Image to run.
 *     ports [ContainerPort] map:containerPort,protocol patch:containerPort
 *     imagePullPolicy string in:Always|IfNotPresent|Never
 *     protocol string =TCP              a default
 *
 * `[T]` is a list, `{T}` a map by string. Options: `map:KEYS` and `set` (list types of server-side apply; a
 * list is atomic otherwise), `patch:KEY` or `patch` (strategic merge), `retainKeys`, `atomic`, `in:A|B`,
 * `min:N`, `max:N`, `=DEFAULT` (JSON, or a bare word).
 */
export interface TypeModule {
  /** Prefix of the OpenAPI names of its types. */
  prefix: string;
  types: Map<string, Schema>;
}

const SCALARS: Record<string, Schema> = {
  string: { type: 'string' },
  int: { type: 'integer', format: 'int32' },
  long: { type: 'integer', format: 'int64' },
  bool: { type: 'boolean' },
  number: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  any: { type: 'any' },
};

interface PendingField {
  owner: Schema;
  name: string;
  required: boolean;
  words: string[];
  description: string | undefined;
}

/** Parses type definitions; names that they do not define are looked up in `outer`, the first hit wins. */
export function parseTypes(prefix: string, text: string, outer: readonly TypeModule[] = []): TypeModule {
  const module: TypeModule = { prefix, types: new Map() };
  const pending: PendingField[] = [];
  let owner: Schema | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [code = '', description] = splitComment(line);
    const words = code.trim().split(/\s+/);
    if (!line.startsWith(' ')) {
      owner = defineType(module, words, description);
    } else if (owner !== undefined) {
      const [name = '', ...rest] = words;
      pending.push({
        owner,
        name: name.replace('!', ''),
        required: name.endsWith('!'),
        words: rest,
        description,
      });
    }
  }
  for (const field of pending) field.owner.properties?.set(field.name, parseField(field, [module, ...outer]));
  return module;
}

function splitComment(line: string): [string, string | undefined] {
  const at = line.indexOf(' # ');
  return at < 0 ? [line, undefined] : [line.slice(0, at), line.slice(at + 3).trim()];
}

/** `Name`, `Name atomic`, or an alias of a scalar: `Time = string date-time`. */
function defineType(module: TypeModule, words: string[], description: string | undefined): Schema {
  const [name = '', second, base = '', format] = words;
  const schema: Schema =
    second === '='
      ? { ...scalar(base), ...(format && { format }) }
      : { type: 'object', properties: new Map() };
  schema.name = `${module.prefix}.${name}`;
  if (second === 'atomic') schema.atomic = true;
  if (description !== undefined) schema.description = description;
  module.types.set(name, schema);
  return schema;
}

function scalar(name: string): Schema {
  if (name === 'intstr') return { type: 'intOrString', format: 'int-or-string' };
  const found = SCALARS[name];
  if (found === undefined) throw new Error(`schema notation: no scalar ${name}`);
  return found;
}

function parseField(field: PendingField, modules: readonly TypeModule[]): Field {
  const [type = '', ...options] = field.words;
  const result: Field = { schema: resolveType(type, modules) };
  if (field.required) result.required = true;
  if (field.description !== undefined) result.description = field.description;
  for (const option of options) {
    if (option.startsWith('=')) result.default = parseDefault(option.slice(1));
    else result.schema = withOption(result.schema, option);
  }
  return result;
}

function resolveType(type: string, modules: readonly TypeModule[]): Schema {
  if (type.startsWith('['))
    return { type: 'array', items: resolveType(type.slice(1, -1), modules), listType: 'atomic' };
  if (type.startsWith('{')) return { type: 'object', values: resolveType(type.slice(1, -1), modules) };
  for (const module of modules) {
    const found = module.types.get(type);
    if (found !== undefined) return found;
  }
  return scalar(type);
}

function withOption(schema: Schema, option: string): Schema {
  const [name, value = ''] = option.split(/:(.*)/, 2) as [string, string?];
  switch (name) {
    case 'map':
      return { ...schema, listType: 'map', listKeys: value.split(',') };
    case 'set':
      return { ...schema, listType: 'set' };
    case 'patch':
      return { ...schema, patchKey: value };
    case 'retainKeys':
      return { ...schema, retainKeys: true };
    case 'atomic':
      return { ...schema, atomic: true };
    case 'in':
      return { ...schema, enum: value.split('|') };
    case 'min':
      return { ...schema, minimum: Number(value) };
    case 'max':
      return { ...schema, maximum: Number(value) };
    default:
      throw new Error(`schema notation: no option ${option}`);
  }
}

function parseDefault(text: string): Json {
  return /^(?:[[{"\d-]|true$|false$)/.test(text) ? (JSON.parse(text) as Json) : text;
}
