/** An event in the words of CloudEvents 1.0. */
export interface CloudEvent {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  subject?: string;
  time?: string;
  datacontenttype?: string;
  dataschema?: string;
  data?: unknown;
  data_base64?: string;
  [extension: string]: unknown;
}

export class BadEventError extends Error {
  override name = 'BadEventError';
}

/** Of the first version, and what they are called now. */
const OLD_NAMES: Readonly<Record<string, string>> = {
  eventID: 'id',
  eventType: 'type',
  source: 'source',
  eventTime: 'time',
  schemaURL: 'dataschema',
  contentType: 'datacontenttype',
  eventTypeVersion: 'eventtypeversion',
};
const ATTRIBUTE = /^[a-z0-9]{1,64}$/;
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
const MAX_TEXT = 1024;
const TEXTS = ['id', 'source', 'type', 'subject', 'datacontenttype', 'dataschema'] as const;

/** Checks what came in, in either version, and gives it in the newer one. */
export function eventOf(value: unknown): CloudEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BadEventError('The event is no JSON object.');
  const given = value as Record<string, unknown>;
  const event = 'cloudEventsVersion' in given || 'eventType' in given ? fromOld(given) : { ...given };
  if (event['specversion'] !== '1.0')
    throw new BadEventError(
      `The event has the specversion ${JSON.stringify(event['specversion'])}: 1.0 and the older 0.1 are understood.`,
    );
  for (const [name, item] of Object.entries(event)) {
    if (item === null || item === undefined) delete event[name];
    else checkAttribute(name, item);
  }
  for (const name of ['id', 'source', 'type'])
    if (event[name] === undefined) throw new BadEventError(`The event has no ${name}.`);
  if (event['data'] !== undefined && event['data_base64'] !== undefined)
    throw new BadEventError('The event has both data and data_base64: one of them is enough.');
  return event as CloudEvent;
}

/** What a function is given as its input. */
export function dataOf(event: CloudEvent): unknown {
  if (event.data_base64 === undefined) return event.data ?? {};
  const bytes = Buffer.from(event.data_base64, 'base64');
  if (isJson(event.datacontenttype)) {
    try {
      return JSON.parse(bytes.toString()) as unknown;
    } catch {
      // It is called JSON and is none: the function gets it as it came.
    }
  }
  return { contentType: event.datacontenttype ?? 'application/octet-stream', data: event.data_base64 };
}

/** Everything but the data, under the names of now and of old. */
export function contextOf(event: CloudEvent): Record<string, unknown> {
  const { data: _, data_base64: __, ...attributes } = event;
  const old = Object.entries(OLD_NAMES).flatMap(([name, now]) =>
    attributes[now] === undefined ? [] : [[name, attributes[now]] as const],
  );
  return { ...attributes, ...Object.fromEntries(old), cloudEventsVersion: '0.1' };
}

export function isJson(type: string | undefined): boolean {
  return type === undefined || /^[^;]*[/+]json\b/i.test(type);
}

function fromOld(given: Record<string, unknown>): Record<string, unknown> {
  if (given['cloudEventsVersion'] !== '0.1')
    throw new BadEventError(
      `The event has the cloudEventsVersion ${JSON.stringify(given['cloudEventsVersion'])}: only 0.1 is understood.`,
    );
  const event: Record<string, unknown> = { specversion: '1.0', data: given['data'] };
  for (const [name, now] of Object.entries(OLD_NAMES))
    if (given[name] !== undefined && given[name] !== '') event[now] = given[name];
  const { extensions } = given;
  if (typeof extensions === 'object' && extensions !== null)
    for (const [name, value] of Object.entries(extensions)) {
      const lower = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
      if (lower !== '' && event[lower] === undefined)
        event[lower] = typeof value === 'object' ? JSON.stringify(value) : value;
    }
  return event;
}

function checkAttribute(name: string, value: unknown): void {
  if (name === 'data') return;
  if (name !== 'data_base64' && !ATTRIBUTE.test(name))
    throw new BadEventError(
      `${JSON.stringify(name.slice(0, 80))} is no name of an attribute: lower-case letters and digits.`,
    );
  if (typeof value === 'object')
    throw new BadEventError(`The attribute ${name} of the event is no simple value.`);
  if (name === 'data_base64') {
    if (typeof value !== 'string') throw new BadEventError('data_base64 of the event is no text.');
    return;
  }
  if (typeof value === 'string' && value.length > MAX_TEXT)
    throw new BadEventError(`The attribute ${name} of the event is longer than ${MAX_TEXT} characters.`);
  if ((TEXTS as readonly string[]).includes(name) && (typeof value !== 'string' || value === ''))
    throw new BadEventError(`The attribute ${name} of the event must be a text that is not empty.`);
  if (name === 'time' && (typeof value !== 'string' || !TIME.test(value)))
    throw new BadEventError(
      `The time ${JSON.stringify(value)} of the event is none: write 2026-01-31T12:00:00Z.`,
    );
}
