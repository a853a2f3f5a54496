import { BadEventError, type CloudEvent, eventOf, isJson } from './cloud-event.ts';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

const MAX_EVENT = 1024 * 1024;
const MAX_BATCH = 1000;

/** The events of a request: structured, binary or a batch, as its headers say. */
export function eventsOf(headers: Headers, body: Buffer): CloudEvent[] {
  const type = (headerOf(headers, 'content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type === 'application/cloudevents-batch+json') return batch(parse(body));
  if (type === 'application/cloudevents+json') return [sized(eventOf(parse(body)))];
  if (
    headerOf(headers, 'ce-specversion') !== undefined ||
    headerOf(headers, 'ce-cloudeventsversion') !== undefined
  )
    return [sized(binary(headers, body))];
  // As of old: an event, a list of events, or one in each line.
  if (type === 'application/json' || type === '' || type === 'application/x-ndjson') return loose(body);
  throw new BadEventError(
    `The request is no event: its type is ${type}, and it has no header ce-specversion.`,
  );
}

function binary(headers: Headers, body: Buffer): CloudEvent {
  const event: Record<string, unknown> = {};
  const isOld = headerOf(headers, 'ce-specversion') === undefined;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('ce-') || value === undefined) continue;
    event[attributeName(name.slice(3), isOld)] = decoded(Array.isArray(value) ? value.join(',') : value);
  }
  const contentType = headerOf(headers, 'content-type');
  if (contentType !== undefined) event[isOld ? 'contentType' : 'datacontenttype'] = contentType;
  if (body.length > 0) {
    if (isJson(contentType)) event['data'] = parse(body);
    else if (/^text\//i.test(contentType ?? '')) event['data'] = body.toString();
    else if (isOld) event['data'] = body.toString('base64');
    else event['data_base64'] = body.toString('base64');
  }
  return eventOf(event);
}

const OLD_HEADERS: Readonly<Record<string, string>> = {
  eventid: 'eventID',
  eventtype: 'eventType',
  eventtime: 'eventTime',
  eventtypeversion: 'eventTypeVersion',
  cloudeventsversion: 'cloudEventsVersion',
  schemaurl: 'schemaURL',
};

function attributeName(name: string, isOld: boolean): string {
  return isOld ? (OLD_HEADERS[name] ?? name) : name;
}

function batch(value: unknown): CloudEvent[] {
  if (!Array.isArray(value)) throw new BadEventError('The batch is no list of events.');
  if (value.length > MAX_BATCH) throw new BadEventError(`The batch has more than ${MAX_BATCH} events.`);
  return value.map((item, at) => {
    try {
      return sized(eventOf(item));
    } catch (error) {
      throw new BadEventError(`Event ${at} of the batch: ${(error as Error).message}`, { cause: error });
    }
  });
}

function loose(body: Buffer): CloudEvent[] {
  const text = body.toString();
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? batch(value) : [sized(eventOf(value))];
  } catch (error) {
    if (error instanceof BadEventError || !text.includes('\n')) throw asBad(error);
    return batch(
      text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => parse(Buffer.from(line))),
    );
  }
}

function sized(event: CloudEvent): CloudEvent {
  if (JSON.stringify(event).length > MAX_EVENT)
    throw new BadEventError(`The event is larger than the ${MAX_EVENT} bytes that are allowed.`);
  return event;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch (error) {
    throw asBad(error);
  }
}

function asBad(error: unknown): BadEventError {
  return error instanceof BadEventError
    ? error
    : new BadEventError(`The event is no JSON: ${(error as Error).message}.`, { cause: error });
}

/** Header values write what ASCII has not with percent signs. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
