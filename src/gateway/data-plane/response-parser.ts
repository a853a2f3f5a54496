export interface ResponseHead {
  status: number;
  reason: string;
  /** Names and values in turn, as they came. */
  headers: string[];
}

export interface ParserEvents {
  head: (head: ResponseHead) => void;
  data: (chunk: Buffer) => void;
  /** The answer is complete; `reusable` tells whether the connection can carry another. */
  end: (reusable: boolean) => void;
  error: (why: string) => void;
}

type State = 'head' | 'length' | 'close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer' | 'done';

const MAX_HEAD = 64 * 1024;
const MAX_LINE = 1024;
const END_OF_HEAD = Buffer.from('\r\n\r\n');
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads one answer of HTTP/1.1 after another from the bytes of a connection. */
export class ResponseParser {
  readonly #events: ParserEvents;
  #state: State = 'head';
  #rest: Buffer | undefined;
  #left = 0;
  #reusable = true;
  #noBody = false;

  constructor(events: ParserEvents) {
    this.#events = events;
  }

  /** Before each answer: those to HEAD have no body, whatever their headers say. */
  expect(method: string): void {
    this.#state = 'head';
    this.#noBody = method === 'HEAD';
    this.#reusable = true;
  }

  push(chunk: Buffer): void {
    let data = chunk;
    if (this.#rest !== undefined) {
      data = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    while (data.length > 0) {
      const next = this.#step(data);
      if (next === undefined) {
        this.#rest = data;
        return;
      }
      data = next;
    }
  }

  /** The other side has closed. */
  close(): void {
    if (this.#state === 'close') this.#finish(false);
    else if (this.#state !== 'done')
      this.#events.error('the connection was closed before the answer was complete');
  }

  /** Takes what it can; undefined when it needs more. */
  #step(data: Buffer): Buffer | undefined {
    switch (this.#state) {
      case 'head':
        return this.#head(data);
      case 'length':
      case 'chunk-data': {
        const part = data.length > this.#left ? data.subarray(0, this.#left) : data;
        this.#left -= part.length;
        this.#events.data(part);
        if (this.#left === 0) {
          if (this.#state === 'chunk-data') this.#state = 'chunk-end';
          else this.#finish(this.#reusable);
        }
        return data.subarray(part.length);
      }
      case 'close':
        this.#events.data(data);
        return EMPTY;
      case 'chunk-size':
      case 'chunk-end':
      case 'trailer':
        return this.#line(data);
      case 'done':
        // Bytes that nobody asked for: the connection cannot be trusted any more.
        return this.#fail('the answer is longer than it says');
    }
  }

  #head(data: Buffer): Buffer | undefined {
    const end = data.indexOf(END_OF_HEAD);
    if (end < 0) return data.length > MAX_HEAD ? this.#fail('the headers are too long') : undefined;
    const rest = data.subarray(end + 4);
    const lines = data.toString('latin1', 0, end).split('\r\n');
    const first = STATUS_LINE.exec(lines[0]!);
    if (first === null) return this.#fail('the status line is malformed');
    const status = Number(first[2]);
    // An interim answer is not the answer; 101 comes through another door.
    if (status >= 100 && status < 200) return rest;
    const headers: string[] = [];
    let length: string | undefined;
    let chunked = false;
    this.#reusable = first[1] === '1';
    for (let at = 1; at < lines.length; at += 1) {
      const line = lines[at]!;
      const colon = line.indexOf(':');
      const name = line.slice(0, colon);
      if (colon <= 0 || !TOKEN.test(name)) return this.#fail('a header is malformed');
      const value = line.slice(colon + 1).trim();
      const lower = name.toLowerCase();
      if (lower === 'content-length') {
        if (!/^\d{1,15}$/.test(value) || (length !== undefined && length !== value))
          return this.#fail('the content length is malformed');
        length = value;
      } else if (lower === 'transfer-encoding') {
        if (value.toLowerCase() !== 'chunked') return this.#fail('the transfer encoding is not known');
        chunked = true;
        continue;
      } else if (lower === 'connection') {
        if (/\bclose\b/i.test(value)) this.#reusable = false;
        else if (/\bkeep-alive\b/i.test(value)) this.#reusable = true;
        continue;
      } else if (lower === 'keep-alive' || lower === 'proxy-connection') continue;
      headers.push(name, value);
    }
    if (chunked && length !== undefined) return this.#fail('the answer has two lengths');
    this.#events.head({ status, reason: first[3] ?? '', headers });
    if (this.#noBody || status === 204 || status === 304) this.#finish(this.#reusable);
    else if (chunked) this.#state = 'chunk-size';
    else if (length === undefined) this.#state = 'close';
    else if (length === '0') this.#finish(this.#reusable);
    else {
      this.#left = Number(length);
      this.#state = 'length';
    }
    return rest;
  }

  #line(data: Buffer): Buffer | undefined {
    const end = data.indexOf('\r\n');
    if (end < 0) return data.length > MAX_LINE ? this.#fail('a chunk is malformed') : undefined;
    const line = data.toString('latin1', 0, end);
    const rest = data.subarray(end + 2);
    if (this.#state === 'chunk-end') {
      if (line !== '') return this.#fail('a chunk is malformed');
      this.#state = 'chunk-size';
    } else if (this.#state === 'trailer') {
      if (line === '') this.#finish(this.#reusable);
    } else {
      const size = /^([0-9a-fA-F]{1,8})\s*(?:;.*)?$/.exec(line)?.[1];
      if (size === undefined) return this.#fail('a chunk is malformed');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'chunk-data';
    }
    return rest;
  }

  #finish(reusable: boolean): void {
    this.#state = 'done';
    this.#events.end(reusable);
  }

  #fail(why: string): Buffer {
    this.#state = 'done';
    this.#events.error(why);
    return EMPTY;
  }
}

const EMPTY = Buffer.alloc(0);
