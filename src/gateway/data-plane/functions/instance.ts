import type { Endpoint } from '../../config.ts';
import type { InstanceAddress, InstanceEnd } from '../../functions/protocol.ts';

/** A process that answers calls of a function, as the data plane sees it. */
export class Instance {
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly #gone = Promise.withResolvers<InstanceEnd>();
  inFlight = 0;
  /** It gets no more calls, and is done when the last one has ended. */
  isDraining = false;

  constructor(id: string, at: InstanceAddress) {
    this.id = id;
    this.endpoint = 'socket' in at ? { address: '', port: 0, socket: at.socket } : at;
  }

  get gone(): Promise<InstanceEnd> {
    return this.#gone.promise;
  }

  end(end: InstanceEnd): void {
    this.isDraining = true;
    this.#gone.resolve(end);
  }
}
