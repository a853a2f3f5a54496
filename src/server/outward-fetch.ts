import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { Agent, buildConnector, fetch } from 'undici';
import { isPrivateAddress } from '../node/index.ts';

export interface OutwardOptions {
  anyCertificate?: boolean;
  /** Certificates that servers are known by, instead of those that everybody trusts. */
  ca?: string;
}

/**
 * Connections for addresses that users name: they reach other machines, and nothing that trusts this one. What is
 * checked is the address that is connected to, so that neither a name nor a redirect can mean something else.
 */
export function outwardDispatcher(options: OutwardOptions = {}): Agent {
  const connector = buildConnector({
    ...(options.anyCertificate && { rejectUnauthorized: false }),
    ...(options.ca !== undefined && { ca: options.ca }),
    lookup: (host, options, callback) =>
      lookup(host, { ...options, all: true }, (error, addresses) => {
        if (error !== null) callback(error, []);
        else if (addresses.some(({ address }) => isPrivateAddress(address))) callback(refusal(host), []);
        else if (options.all) callback(null, addresses);
        else callback(null, addresses[0]!.address, addresses[0]!.family);
      }),
  });
  return new Agent({
    connect: (target, callback) => {
      const host = target.hostname.replace(/^\[|\]$/g, '');
      // Nobody looks up what is an address already.
      if (isIP(host) !== 0 && isPrivateAddress(host)) callback(refusal(host), null);
      else connector(target, callback);
    },
  });
}

export function outwardFetch(options: OutwardOptions = {}): typeof globalThis.fetch {
  const dispatcher = outwardDispatcher(options);
  const guarded = (input: string | URL, init?: object): unknown => fetch(input, { ...init, dispatcher });
  return guarded as typeof globalThis.fetch;
}

function refusal(host: string): Error {
  return new Error(`${host} is an address of this machine: it is not served to pods`);
}
