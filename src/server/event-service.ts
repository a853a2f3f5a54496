import type { ApiRequest, Reply, RequestInfo } from '../apiserver/index.ts';
import { BadEventError, eventOf, type Events } from '../events/index.ts';
import { ApiError } from '../kube/index.ts';
import { bodyOf, jsonReply, type ServicePart } from './local-services.ts';

const MAX_EVENTS = 1000;

/** Events through the API: what `dispatch emit` speaks to. */
export class EventService implements ServicePart {
  readonly resources = [
    { name: 'cloudevents', verbs: ['create'], kind: 'CloudEvent', namespaced: true },
    { name: 'subscriptions/replay', verbs: ['create'], kind: 'Subscription', namespaced: true },
  ];
  readonly #events: Events;

  constructor(events: Events) {
    this.#events = events;
  }

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
    if (info.verb !== 'create') return undefined;
    const body = bodyOf(request);
    if (info.plural === 'cloudevents') return this.#emit(info.namespace, body);
    if (info.subresource !== 'replay') return undefined;
    const since = Date.parse(String(body['since'] ?? ''));
    if (Number.isNaN(since))
      throw new ApiError('BadRequest', 'since is no time: write 2026-01-31T12:00:00Z.');
    await this.#events.replay(info.namespace, info.name, since);
    return jsonReply(202, { subscription: info.name, since: new Date(since).toISOString() });
  };

  async #emit(namespace: string, body: Record<string, unknown>): Promise<Reply> {
    const given = Array.isArray(body['events']) ? (body['events'] as unknown[]) : [body];
    if (given.length > MAX_EVENTS)
      throw new ApiError('BadRequest', `More than ${MAX_EVENTS} events at once are not taken.`);
    try {
      await this.#events.emit(namespace, given.map(eventOf));
    } catch (error) {
      if (error instanceof BadEventError) throw new ApiError('BadRequest', error.message, undefined, error);
      throw new ApiError(
        'InsufficientStorage',
        'The events could not be kept: see whether the disk is full, and send them again.',
        undefined,
        error,
      );
    }
    return jsonReply(202, { accepted: given.length });
  }
}
