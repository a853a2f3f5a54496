import {
  compareBytes,
  fromGo,
  RenderError,
  type TemplateFunction,
  toGo,
  type Value,
} from '../go-template/index.ts';
import { readYaml } from '../yaml/read.ts';
import { writeYaml } from '../yaml/write.ts';
import { textArg } from './arguments.ts';

const HTML: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as Go writes it: keys in their order. */
export function writeJson(
  value: Value,
  { indent, escapesHtml }: { indent?: number; escapesHtml: boolean },
): string {
  const text = JSON.stringify(ordered(fromGo(value)), undefined, indent);
  return escapesHtml ? text.replaceAll(/[<>&\u2028\u2029]/g, (char) => HTML[char]!) : text;
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Record<string, unknown>;
  const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(object).sort(compareBytes)) out[key] = ordered(object[key]);
  return out;
}

function readJson(text: string): Value {
  return toGo(JSON.parse(text) as unknown);
}

function yamlOf(value: Value): string {
  return writeYaml(fromGo(value)).replace(/\n$/, '');
}

const YAML_PREFIX = 'error unmarshaling JSON: while decoding JSON: ';

function jsonKind(value: Value): string {
  if (Array.isArray(value)) return 'array';
  if (value instanceof Map) return 'object';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** What cannot be read is told in the result, as charts expect it. */
function lenient(read: (text: string) => Value, kind: 'map' | 'list', prefix = ''): TemplateFunction {
  return (text) => {
    const source = textArg(text, 0);
    try {
      const value = read(source);
      if (value === null || value === undefined) return kind === 'map' ? new Map() : [];
      if (kind === 'map' ? value instanceof Map : Array.isArray(value)) return value;
      const wanted = kind === 'map' ? 'map[string]interface {}' : '[]interface {}';
      throw new RenderError(
        `${prefix}json: cannot unmarshal ${jsonKind(value)} into Go value of type ${wanted}`,
      );
    } catch (error) {
      return kind === 'map' ? new Map([['Error', (error as Error).message]]) : [(error as Error).message];
    }
  };
}

export const DATA: Readonly<Record<string, TemplateFunction>> = {
  toJson: (value) => writeJson(value, { escapesHtml: true }),
  mustToJson: (value) => writeJson(value, { escapesHtml: true }),
  toPrettyJson: (value) => writeJson(value, { indent: 2, escapesHtml: true }),
  mustToPrettyJson: (value) => writeJson(value, { indent: 2, escapesHtml: true }),
  toRawJson: (value) => writeJson(value, { escapesHtml: false }),
  mustToRawJson: (value) => writeJson(value, { escapesHtml: false }),
  fromJson: lenient(readJson, 'map'),
  mustFromJson: (text) => readJson(textArg(text, 0)),
  fromJsonArray: lenient(readJson, 'list'),
  toYaml: yamlOf,
  mustToYaml: yamlOf,
  toYamlPretty: yamlOf,
  fromYaml: lenient((text) => toGo(readYaml(text, 'the text')), 'map', YAML_PREFIX),
  fromYamlArray: lenient((text) => toGo(readYaml(text, 'the text')), 'list', YAML_PREFIX),
};
