import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../kube/index.ts';
import { eventsOf, isAuthentic } from './providers/webhook.ts';
import { PROVIDER_NAMES, type ScmEvent } from './providers/types.ts';

const MAX_BYTES = 25 * 1024 * 1024;
const MAX_UNKNOWN_BYTES = 1024 * 1024;
const REFUSED = 'The delivery is not accepted.\n';

/** What is known of the place that a delivery is for. */
export interface DeliveryPlace {
  provider: string | undefined;
  /** Whether there is such a place: strangers are not told. */
  isKnown: boolean;
  secret: () => Promise<string | undefined>;
  /** Takes its events, with the hash of the delivery. What it does not throw at is written down. */
  accept: (events: ScmEvent[], body: Buffer) => Promise<void>;
}

/** Answers a delivery of a provider: what is answered with success was taken. */
export async function answerDelivery(
  request: IncomingMessage,
  response: ServerResponse,
  place: DeliveryPlace,
): Promise<void> {
  const provider = PROVIDER_NAMES.find((item) => item === place.provider);
  const body = await readBody(request, place.isKnown ? MAX_BYTES : MAX_UNKNOWN_BYTES);
  if (body === undefined) return answer(response, 413, 'The delivery is too large.\n');
  // An unknown place, a wrong signature and a wrong method look the same from outside.
  const secret = place.isKnown ? await place.secret() : undefined;
  const authentic = provider !== undefined && isAuthentic(provider, secret ?? '', request.headers, body);
  if (!authentic || !place.isKnown || request.method !== 'POST') return answer(response, 403, REFUSED);
  const parsed = parseJson(body);
  if (parsed === undefined) return answer(response, 400, 'The delivery is no JSON.\n');
  const events = eventsOf(provider, request.headers, parsed);
  await place.accept(events, body);
  answer(response, 202, events.length === 0 ? 'Nothing follows from it.\n' : 'Accepted.\n');
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
}
