import { stringify } from 'yaml';
import { isRecord } from '../../kube/index.ts';

/**
 * The version 2 document in the protobuf form that older kubectl insists on. Only the parts that clients
 * read are carried: definitions, and operations with their kinds. Field numbers are those of openapi.v2.
 */
type Fields = Record<string, unknown>;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

class Message {
  readonly #parts: Buffer[] = [];

  text(field: number, value: unknown): this {
    return typeof value === 'string' && value !== '' ? this.bytes(field, Buffer.from(value)) : this;
  }

  texts(field: number, values: unknown): this {
    if (Array.isArray(values)) for (const value of values) this.bytes(field, Buffer.from(String(value)));
    return this;
  }

  bytes(field: number, value: Buffer): this {
    this.#parts.push(varint((field << 3) | BYTES), varint(value.length), value);
    return this;
  }

  message(field: number, value: Message | undefined): this {
    return value === undefined ? this : this.bytes(field, value.finish());
  }

  flag(field: number, value: unknown): this {
    if (value === true) this.#parts.push(varint((field << 3) | VARINT), varint(1));
    return this;
  }

  integer(field: number, value: unknown): this {
    if (typeof value === 'number' && value > 0)
      this.#parts.push(varint((field << 3) | VARINT), varint(value));
    return this;
  }

  double(field: number, value: unknown): this {
    if (typeof value !== 'number') return this;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#parts.push(varint((field << 3) | FIXED64), bytes);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

export function toProtobuf(document: Fields): Buffer {
  const info = record(document['info']);
  const message = new Message()
    .text(1, document['swagger'])
    .message(2, new Message().text(1, info['title']).text(2, info['version']))
    .message(8, pathsMessage(record(document['paths'])))
    .message(9, named(record(document['definitions']), schemaMessage, 1));
  return message.finish();
}

function record(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

/** Repeated pairs of a name and a message. */
function named(entries: Fields, write: (value: Fields) => Message, field: number): Message {
  const message = new Message();
  for (const [name, value] of Object.entries(entries)) {
    message.message(field, new Message().text(1, name).message(2, write(record(value))));
  }
  return message;
}

function pathsMessage(paths: Fields): Message {
  return named(paths, pathItem, 2);
}

const METHODS: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function pathItem(item: Fields): Message {
  const message = new Message();
  for (const [method, field] of Object.entries(METHODS)) {
    if (item[method] !== undefined) message.message(field, operation(record(item[method])));
  }
  return message;
}

function operation(value: Fields): Message {
  const message = new Message()
    .text(5, value['operationId'])
    .texts(6, value['produces'])
    .texts(7, value['consumes']);
  for (const parameter of Array.isArray(value['parameters']) ? value['parameters'] : []) {
    const item = parameterItem(record(parameter));
    if (item !== undefined) message.message(8, item);
  }
  message.message(9, responses(record(value['responses'])));
  return extensions(message, value, 13);
}

/** ParametersItem { Parameter { NonBodyParameter { QueryParameterSubSchema } } } for query parameters. */
function parameterItem(parameter: Fields): Message | undefined {
  if (parameter['in'] !== 'query') return undefined;
  const query = new Message().text(2, 'query').text(4, parameter['name']).text(6, parameter['type']);
  return new Message().message(1, new Message().message(2, new Message().message(3, query)));
}

function responses(value: Fields): Message {
  const message = new Message();
  for (const [code, response] of Object.entries(value)) {
    const body = record(response);
    const schema = isRecord(body['schema'])
      ? new Message().message(1, schemaMessage(body['schema']))
      : undefined;
    const item = new Message().message(1, new Message().text(1, body['description']).message(2, schema));
    message.message(1, new Message().text(1, code).message(2, item));
  }
  return message;
}

function schemaMessage(schema: Fields): Message {
  const message = new Message()
    .text(1, schema['$ref'])
    .text(2, schema['format'])
    .text(4, schema['description'])
    .message(5, schema['default'] === undefined ? undefined : anyValue(schema['default']))
    .double(7, schema['maximum'])
    .double(9, schema['minimum'])
    .integer(11, schema['maxLength'])
    .integer(12, schema['minLength'])
    .text(13, schema['pattern'])
    .texts(19, schema['required']);
  for (const item of Array.isArray(schema['enum']) ? schema['enum'] : []) message.message(20, anyValue(item));
  if (isRecord(schema['additionalProperties']))
    message.message(21, new Message().message(1, schemaMessage(schema['additionalProperties'])));
  if (typeof schema['type'] === 'string') message.message(22, new Message().texts(1, [schema['type']]));
  if (isRecord(schema['items']))
    message.message(23, new Message().message(1, schemaMessage(schema['items'])));
  if (isRecord(schema['properties'])) message.message(25, named(schema['properties'], schemaMessage, 1));
  return extensions(message, schema, 31);
}

/** Vendor extensions travel as YAML text inside an Any. */
function extensions(message: Message, value: Fields, field: number): Message {
  for (const [key, item] of Object.entries(value)) {
    if (key.startsWith('x-')) message.message(field, new Message().text(1, key).message(2, anyValue(item)));
  }
  return message;
}

function anyValue(value: unknown): Message {
  return new Message().text(2, stringify(value));
}
