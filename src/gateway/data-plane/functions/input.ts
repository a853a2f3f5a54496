import { headerOf, type Request } from '../proxy.ts';
import type { ByteBudget } from './byte-budget.ts';

/** What a request says that no function can be given. */
export class BadRequestError extends Error {
  override name = 'BadRequestError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const MAX_BODY = 16 * 1024 * 1024;
const MAX_DISCARDED = 64 * 1024 * 1024;
const MAX_FIELDS = 1000;
const EMPTY = Buffer.alloc(0);
const BODYLESS = new Set(['GET', 'HEAD', 'DELETE']);

/**
 * The whole body. What is too large is refused before it is read where that is known. What it takes of the budget is
 * for the caller to give back.
 */
export function readBody(request: Request, budget: ByteBudget): Promise<Buffer> {
  const declared = Number(headerOf(request, 'content-length') ?? Number.NaN);
  if (declared === 0 || (BODYLESS.has(request.method ?? '') && !hasBody(request)))
    return Promise.resolve(EMPTY);
  const tooLarge = new BadRequestError(
    413,
    `The body is larger than the ${MAX_BODY} bytes that are allowed here.`,
  );
  if (declared > MAX_DISCARDED) return Promise.reject(tooLarge);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let held = 0;
    const refuse = (error: Error): void => {
      budget.give(held);
      held = 0;
      chunks.length = 0;
      reject(error);
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      // A client that is still sending does not read: it hears of it when it has sent everything, or far too much.
      if (size > MAX_DISCARDED) refuse(tooLarge);
      else if (size > MAX_BODY) chunks.length = 0;
      else if (budget.take(chunk.length)) {
        held += chunk.length;
        chunks.push(chunk);
      } else refuse(new BadRequestError(503, 'Too much is being sent at the moment: try again later.'));
    });
    request.on('end', () => {
      if (size > MAX_BODY) refuse(tooLarge);
      else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    });
    request.on('error', refuse);
    request.on('close', () => {
      if (!request.readableEnded) refuse(new BadRequestError(400, 'The request ended before its body did.'));
    });
  });
}

function hasBody(request: Request): boolean {
  if (request.httpVersionMajor === 2) return headerOf(request, 'content-length') !== undefined;
  return (
    headerOf(request, 'content-length') !== undefined || headerOf(request, 'transfer-encoding') !== undefined
  );
}

/** The JSON text of what the function is given. */
export async function inputOf(
  request: Request,
  fields: readonly [string, string][],
  body: Buffer,
): Promise<string> {
  const { method } = request;
  if (method === 'GET' || method === 'HEAD') return JSON.stringify(fieldsOf(fields));
  const header = headerOf(request, 'content-type');
  if (header === undefined) return body.length === 0 ? '{}' : untyped(body);
  const type = header.split(';', 1)[0]!.trim().toLowerCase();
  if (type === 'application/json' || type.endsWith('+json')) return jsonOf(body);
  if (type === 'application/x-www-form-urlencoded')
    return JSON.stringify(fieldsOf(new URLSearchParams(body.toString())));
  if (type === 'multipart/form-data') return JSON.stringify(await partsOf(header, body));
  if (type.startsWith('text/')) return JSON.stringify(body.toString());
  if (isBinary(type)) return JSON.stringify({ contentType: type, data: body.toString('base64') });
  throw new BadRequestError(415, `request body type is not supported: ${type}`);
}

function isBinary(type: string): boolean {
  return type === 'application/octet-stream' || /^(?:image|audio|video)\//.test(type);
}

function jsonOf(body: Buffer): string {
  if (body.length === 0) return '{}';
  const text = body.toString();
  try {
    JSON.parse(text);
  } catch {
    throw new BadRequestError(400, 'request body is not json');
  }
  return text;
}

/** Without a word about its type: JSON where it is that, and text where not. */
function untyped(body: Buffer): string {
  const text = body.toString();
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

function fieldsOf(values: Iterable<[string, unknown]>): Record<string, unknown> {
  const fields = new Map<string, unknown>();
  let count = 0;
  for (const [name, value] of values) {
    if (++count > MAX_FIELDS)
      throw new BadRequestError(413, `The request has more than ${MAX_FIELDS} fields.`);
    const before = fields.get(name);
    fields.set(
      name,
      before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value],
    );
  }
  return Object.fromEntries(fields);
}

async function partsOf(header: string, body: Buffer): Promise<Record<string, unknown>> {
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(body), { headers: { 'content-type': header } }).formData();
  } catch {
    throw new BadRequestError(400, 'request body is not a form');
  }
  const parts: [string, unknown][] = [];
  for (const [name, value] of form)
    parts.push([
      name,
      typeof value === 'string'
        ? value
        : {
            filename: value.name,
            contentType: value.type,
            data: Buffer.from(await value.arrayBuffer()).toString('base64'),
          },
    ]);
  return fieldsOf(parts);
}
