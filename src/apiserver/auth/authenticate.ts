import type { PeerCertificate, TLSSocket } from 'node:tls';
import { ApiError } from '../../kube/index.ts';
import type { User } from '../registry/index.ts';
import type { AdminToken, ServiceAccountTokens } from './tokens.ts';

export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
export const ADMIN: User = { name: 'dispatch-admin', groups: ['system:masters', 'system:authenticated'] };

/** Finds out who is asking: bearer token, client certificate, or nobody. */
export class Authenticator {
  readonly #admin: AdminToken;
  readonly #accounts: ServiceAccountTokens;
  readonly #certificates = new WeakMap<TLSSocket, User | null>();
  /** Connections whose administrator has shown the token: the same header again needs no hash. */
  readonly #proven = new WeakMap<TLSSocket, string>();

  constructor(admin: AdminToken, accounts: ServiceAccountTokens) {
    this.#admin = admin;
    this.#accounts = accounts;
  }

  async authenticate(authorization: string, socket: TLSSocket | undefined): Promise<User> {
    if (authorization !== '') {
      if (socket !== undefined && this.#proven.get(socket) === authorization) return ADMIN;
      const user = await this.#bearer(authorization);
      if (user === ADMIN && socket !== undefined) this.#proven.set(socket, authorization);
      return user;
    }
    return (socket && this.#certificate(socket)) ?? ANONYMOUS;
  }

  async #bearer(authorization: string): Promise<User> {
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (token === undefined) throw new ApiError('Unauthorized', 'Unauthorized');
    if (this.#admin.matches(token)) return ADMIN;
    const found = await this.#accounts.authenticate(token);
    if (found === undefined) throw new ApiError('Unauthorized', 'Unauthorized');
    return found.user;
  }

  #certificate(socket: TLSSocket): User | null {
    const known = this.#certificates.get(socket);
    if (known !== undefined) return known;
    const user = socket.authorized ? userOf(socket.getPeerCertificate()) : null;
    this.#certificates.set(socket, user);
    return user;
  }
}

function userOf(certificate: PeerCertificate | undefined): User | null {
  const subject = certificate?.subject as { CN?: string; O?: string | string[] } | undefined;
  if (subject?.CN === undefined) return null;
  return { name: subject.CN, groups: [...[subject.O ?? []].flat(), 'system:authenticated'] };
}
