import { XMLParser } from 'fast-xml-parser';

export interface VimOptions {
  /** "https://vcenter.example.com/sdk" */
  url: string;
  username: string;
  password: string;
  fetch: typeof fetch;
}

export interface VimEvent {
  /** Name of its class: "VmBeingCreatedEvent". */
  type: string;
  key: number;
  createdTime: string;
  fields: Readonly<Record<string, unknown>>;
}

export class VimError extends Error {
  override name = 'VimError';
  /** The session has ended, and another one is to be begun. */
  readonly isSessionLost: boolean;

  constructor(message: string, isSessionLost = false) {
    super(message);
    this.isSessionLost = isSessionLost;
  }
}

type Node = Record<string, unknown>;

const PAGE = 100;
const TIMEOUT_MS = 30_000;
const MAX_ANSWER = 16 * 1024 * 1024;
const ARRAYS = new Set(['returnval']);

/** The few calls of the vSphere Web Services that tell of events. */
export class VimClient {
  readonly #options: VimOptions;
  readonly #parser = new XMLParser({
    ignoreAttributes: false,
    removeNSPrefix: true,
    parseTagValue: false,
    parseAttributeValue: false,
    // Only what XML itself defines: no entity of a document may grow into anything.
    processEntities: true,
    ignoreDeclaration: true,
    isArray: (name) => ARRAYS.has(name),
  });
  #cookie = '';

  constructor(options: VimOptions) {
    this.#options = options;
  }

  /** Logs in; gives the name of a collector of events from a time on. */
  async open(since: Date): Promise<string> {
    this.#cookie = '';
    const [content] = await this.#call(
      'RetrieveServiceContent',
      '<_this type="ServiceInstance">ServiceInstance</_this>',
    );
    const session = textOf(content, 'sessionManager') ?? 'SessionManager';
    const manager = textOf(content, 'eventManager') ?? 'EventManager';
    const { username, password } = this.#options;
    await this.#call(
      'Login',
      `<_this type="SessionManager">${escaped(session)}</_this><userName>${escaped(username)}</userName><password>${escaped(password)}</password>`,
    );
    const [collector] = await this.#call(
      'CreateCollectorForEvents',
      `<_this type="EventManager">${escaped(manager)}</_this><filter><time><beginTime>${since.toISOString()}</beginTime></time></filter>`,
    );
    const name = nodeText(collector);
    if (name === undefined) throw new VimError('vCenter has given no collector of events.');
    return name;
  }

  /** What has happened since the last time. */
  async next(collector: string): Promise<VimEvent[]> {
    const found = await this.#call(
      'ReadNextEvents',
      `<_this type="EventHistoryCollector">${escaped(collector)}</_this><maxCount>${PAGE}</maxCount>`,
    );
    return found.flatMap((item) => {
      if (typeof item !== 'object' || item === null) return [];
      const fields = item as Node;
      const type = String(fields['@_type'] ?? 'Event').replace(/^.*:/, '');
      return [
        { type, key: Number(fields['key'] ?? 0), createdTime: String(fields['createdTime'] ?? ''), fields },
      ];
    });
  }

  async #call(method: string, body: string): Promise<unknown[]> {
    const { url, fetch } = this.#options;
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'text/xml; charset=utf-8',
        soapaction: '"urn:vim25/6.5"',
        ...(this.#cookie !== '' && { cookie: this.#cookie }),
      },
      body: `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><${method} xmlns="urn:vim25">${body}</${method}></soapenv:Body></soapenv:Envelope>`,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const [cookie] = response.headers.getSetCookie();
    if (cookie !== undefined) this.#cookie = cookie.split(';', 1)[0]!;
    const text = await response.text();
    if (text.length > MAX_ANSWER) throw new VimError('The answer of vCenter is too large.');
    if (text.includes('<!DOCTYPE')) throw new VimError('The answer of vCenter is no SOAP.');
    const envelope = this.#parser.parse(text) as { Envelope?: { Body?: Node } };
    const answer = envelope.Envelope?.Body;
    const fault = answer?.['Fault'] as Node | undefined;
    if (fault !== undefined) {
      const detail = Object.keys((fault['detail'] as Node | undefined) ?? {}).join(' ');
      throw new VimError(
        `vCenter refused ${method}: ${String(fault['faultstring'] ?? detail)}`,
        /NotAuthenticated|ManagedObjectNotFound/.test(detail),
      );
    }
    const result = answer?.[`${method}Response`] as Node | '' | undefined;
    if (result === undefined) throw new VimError(`vCenter answered ${response.status} to ${method}.`);
    return result === '' ? [] : ((result['returnval'] as unknown[] | undefined) ?? []);
  }
}

/** The text of an element, with attributes or without. */
export function nodeText(node: unknown): string | undefined {
  if (typeof node === 'string') return node;
  if (typeof node !== 'object' || node === null) return undefined;
  const text = (node as Node)['#text'];
  return text === undefined ? undefined : String(text);
}

export function textOf(node: unknown, ...path: string[]): string | undefined {
  let at: unknown = node;
  for (const name of path) at = typeof at === 'object' && at !== null ? (at as Node)[name] : undefined;
  return nodeText(at);
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
