import { Agent, fetch } from 'undici';

const KEPT = 50;

/** Calls to servers that are known by certificates of their own, besides those that everybody trusts. */
export function trustingFetch(): (ca: string) => typeof globalThis.fetch {
  const known = new Map<string, Agent>();
  return (ca) => {
    let dispatcher = known.get(ca);
    if (dispatcher === undefined) {
      if (known.size >= KEPT) known.clear();
      dispatcher = new Agent({
        connect: { ca: ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [] },
      });
      known.set(ca, dispatcher);
    }
    const own = dispatcher;
    const send = (input: string | URL, init?: object): unknown => fetch(input, { ...init, dispatcher: own });
    return send as typeof globalThis.fetch;
  };
}
