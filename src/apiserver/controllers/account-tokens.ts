import { type Logger, type Secret, secretText } from '../../kube/index.ts';
import type { ServiceAccountTokens } from '../auth/index.ts';
import {
  modify,
  objectKey,
  parseDeleteOptions,
  parseEntry,
  type RegistryDeps,
  remove,
  systemCall,
} from '../registry/index.ts';
import { coalesced } from './coalesced.ts';

const TYPE = 'kubernetes.io/service-account-token';
const ACCOUNT = 'kubernetes.io/service-account.name';
const ACCOUNT_UID = 'kubernetes.io/service-account.uid';
const LASTING_SECONDS = 10 * 365 * 24 * 3600;

/** Fills Secrets that ask for a token of an account, and takes those away whose account is gone. */
export class AccountTokenSecrets {
  readonly #deps: RegistryDeps;
  readonly #tokens: ServiceAccountTokens;
  readonly #caCertificate: string;
  readonly #log: Logger;

  constructor(
    deps: RegistryDeps,
    parts: { tokens: ServiceAccountTokens; caCertificate: string; log: Logger },
  ) {
    this.#deps = deps;
    this.#tokens = parts.tokens;
    this.#caCertificate = parts.caCertificate;
    this.#log = parts.log;
  }

  start(signal: AbortSignal): void {
    const shelves = ['/secrets', '/serviceaccounts'].map((name) => this.#deps.store.shelf(name));
    const wake = coalesced(() =>
      this.#sync().catch((error: unknown) =>
        this.#log.warn({ err: error }, 'tokens of accounts could not be written'),
      ),
    );
    for (const shelf of shelves) shelf.listeners.add(wake);
    signal.addEventListener('abort', () => {
      for (const shelf of shelves) shelf.listeners.delete(wake);
    });
    wake();
  }

  async #sync(): Promise<void> {
    for (const entry of [...this.#deps.store.shelf('/secrets').live.range('')]) {
      // Most Secrets are something else: their bytes tell.
      if (!entry.bytes.includes(TYPE)) continue;
      const secret = parseEntry(entry) as Secret;
      if (secret.type === TYPE) await this.#settle(secret);
    }
  }

  async #settle(secret: Secret): Promise<void> {
    const { namespace = '', name = '', uid = '', annotations = {} } = secret.metadata;
    const resource = this.#deps.catalog.find('', 'v1', 'secrets');
    if (resource === undefined) return;
    const target = { resource, namespace, name, subresource: '' };
    const call = systemCall('token-controller');
    const entry = this.#deps.store.get('/serviceaccounts', objectKey(namespace, annotations[ACCOUNT] ?? ''));
    const account = entry && parseEntry(entry);
    const isOther =
      annotations[ACCOUNT_UID] !== undefined && annotations[ACCOUNT_UID] !== account?.metadata.uid;
    if (account === undefined || isOther) {
      const options = parseDeleteOptions({ preconditions: { uid } }, new URLSearchParams());
      await remove(this.#deps, resource, namespace, name, options, call);
      return;
    }
    if (secretText(secret, 'token') !== '') return;
    const { token } = await this.#tokens.issue({
      namespace,
      name: account.metadata.name ?? '',
      uid: account.metadata.uid ?? '',
      audiences: [],
      expirationSeconds: LASTING_SECONDS,
      isLasting: true,
      bound: { kind: 'Secret', name, uid },
    });
    const encode = (text: string): string => Buffer.from(text).toString('base64');
    await modify(this.#deps, target, call, (current) => ({
      object: {
        ...current,
        metadata: {
          ...current.metadata,
          annotations: { ...current.metadata.annotations, [ACCOUNT_UID]: account.metadata.uid ?? '' },
        },
        data: {
          ...(current as Secret).data,
          token: encode(token),
          'ca.crt': encode(this.#caCertificate),
          namespace: encode(namespace),
        },
      },
    }));
  }
}
