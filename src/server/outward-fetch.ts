import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { Agent, fetch } from 'undici';
import { isPrivateAddress } from '../node/index.ts';

/**
 * A fetch for addresses that users name: it reaches other machines, and nothing that trusts this one. What is checked
 * is the address that is connected to, so that a name cannot mean something else a moment later.
 */
export function outwardFetch(): typeof globalThis.fetch {
  const refuse = (host: string): Error =>
    new Error(`${host} is an address of this machine: it is not served to pods`);
  const agent = new Agent({
    connect: {
      lookup: (host, options, callback) =>
        lookup(host, { ...options, all: true }, (error, addresses) => {
          const found = addresses?.find(({ address }) => isPrivateAddress(address));
          if (error !== null) callback(error, []);
          else if (found !== undefined) callback(refuse(host), []);
          else if (options.all) callback(null, addresses);
          else callback(null, addresses[0]!.address, addresses[0]!.family);
        }),
    },
  });
  const guarded = (async (input: string | URL, init?: object) => {
    const host = new URL(input).hostname.replace(/^\[|\]$/g, '');
    // Nobody looks up what is an address already.
    if (isIP(host) !== 0 && isPrivateAddress(host)) throw refuse(host);
    // A redirect could name such an address as well.
    return fetch(input, { ...init, redirect: 'error', dispatcher: agent });
  }) as unknown;
  return guarded as typeof globalThis.fetch;
}
