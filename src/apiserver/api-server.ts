import { every } from '../kube/index.ts';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../kube/index.ts';
import {
  AdmissionChain,
  escalation,
  limitRanges,
  namespaceLifecycle,
  priority,
  resourceQuota,
  serviceAccount,
  serviceAddress,
  storageClass,
  tolerations,
  webhookAdmission,
} from './admission/index.ts';
import { Aggregation, RemoteOpenApi } from './aggregation/index.ts';
import { AdminToken, Authenticator, Rbac, ServiceAccountTokens } from './auth/index.ts';
import { createBackup } from './backup.ts';
import { bootstrap } from './bootstrap.ts';
import { Catalog } from './catalog.ts';
import {
  AggregatedRoles,
  ApiServiceStatus,
  EventExpiry,
  GarbageCollector,
  NamespaceController,
  AccountTokenSecrets,
  QuotaStatus,
} from './controllers/index.ts';
import { conversionOf, customResourceDefinitions, DefinitionController } from './crd/index.ts';
import { OpenApi } from './discovery/index.ts';
import { ApiCore, Listener, NO_PODS, type PodConnector } from './http/index.ts';
import { type Builtins, builtinKinds, ENCRYPTED_COLLECTIONS } from './kinds/index.ts';
import { RequestMetrics } from './metrics.ts';
import { loadPki, type Pki, readPkiFiles } from './pki/index.ts';
import { AppliedMemory, ChunkCache, type RegistryDeps, Turns } from './registry/index.ts';
import { Cipher, type HistoryLimits, Store } from './store/index.ts';
import { serviceResolver } from './service-resolver.ts';
import { VERSION_INFO } from './version.ts';
import { WebhookClient } from './webhook/index.ts';

export interface ApiServerOptions {
  /** Holds `store/` and `pki/`. */
  dataDir: string;
  host: string;
  /** 0 picks a free one. */
  port: number;
  log: Logger;
  now: () => number;
  pods?: PodConnector;
  history?: HistoryLimits;
  maxInFlight?: number;
}

export const HISTORY: HistoryLimits = { events: 50_000, bytes: 48 * 1024 * 1024, ageMs: 30 * 60_000 };
export const CHECKPOINT_BYTES = 64 * 1024 * 1024;
const MAX_IN_FLIGHT = 800;
const COMPACT_INTERVAL_MS = 60_000;
const CLOSE_GRACE_MS = 3_000;

/** The Kubernetes API of one data directory. */
export class ApiServer {
  readonly core: ApiCore;
  readonly pki: Pki;
  readonly #listener: Listener;
  readonly #store: Store;
  readonly #options: ApiServerOptions;
  readonly #webhooks: WebhookClient;
  readonly #stopping = new AbortController();
  readonly #unready = new Set(['poststarthook/bootstrap']);
  #address: AddressInfo | undefined;

  private constructor(options: ApiServerOptions, store: Store, pki: Pki) {
    this.#options = options;
    this.#store = store;
    this.pki = pki;
    const { log, now } = options;
    const builtins = builtinKinds();
    const catalog = new Catalog(builtins.resources);
    const rbac = new Rbac(store);
    const resolve = serviceResolver(store);
    this.#webhooks = new WebhookClient({ resolve });
    const admission = new AdmissionChain([
      serviceAccount(store),
      limitRanges(store),
      priority(store),
      tolerations(),
      storageClass(store),
      serviceAddress(store),
      customResourceDefinitions(catalog, now),
      webhookAdmission(store, this.#webhooks, log),
      namespaceLifecycle(store),
      escalation(rbac),
      resourceQuota(store),
    ]);
    const registry: RegistryDeps = {
      store,
      catalog,
      admission,
      chunks: new ChunkCache(),
      applied: new AppliedMemory(),
      turns: new Turns(),
      now,
    };
    const adminToken = new AdminToken(pki.adminToken);
    const tokens = new ServiceAccountTokens(pki.accountKey, store, now);
    const aggregation = new Aggregation({
      store,
      resolve,
      proxyCertificate: () => ({ cert: pki.proxyCertificate, key: pki.proxyKey }),
    });
    const metrics = new RequestMetrics(() => ({
      apiserver_storage_revision: store.revision,
      apiserver_storage_live_bytes: store.liveBytes,
      process_resident_memory_bytes: process.memoryUsage.rss(),
    }));
    const openapi = new OpenApi(catalog, VERSION_INFO.gitVersion, () => aggregation.described());
    this.core = new ApiCore({
      registry,
      catalog,
      rbac,
      tokens,
      adminToken,
      openapi,
      remoteOpenapi: new RemoteOpenApi(aggregation),
      aggregation,
      pods: options.pods ?? NO_PODS,
      findType: builtins.find,
      metrics: () => metrics.render(),
      backup: async () => createBackup(store, await readPkiFiles(join(options.dataDir, 'pki')), now()),
      unready: () => [...this.#unready],
    });
    this.#listener = new Listener({
      core: this.core,
      authenticator: new Authenticator(adminToken, tokens),
      log,
      host: options.host,
      port: options.port,
      tls: { cert: pki.serverCertificate, key: pki.serverKey, ca: pki.caCertificate },
      maxInFlight: options.maxInFlight ?? MAX_IN_FLIGHT,
      observe: (method, code, seconds) => metrics.observe(method, code, seconds),
    });
    this.#controllers = () => this.#startControllers(registry, builtins, aggregation);
  }

  readonly #controllers: () => void;

  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const pki = await loadPki(join(options.dataDir, 'pki'), options.now());
    const store = await Store.open({
      dir: join(options.dataDir, 'store'),
      history: options.history ?? HISTORY,
      checkpointBytes: CHECKPOINT_BYTES,
      cipher: new Cipher(pki.encryptionKeys),
      encrypted: ENCRYPTED_COLLECTIONS,
      now: options.now,
    });
    const server = new ApiServer(options, store, pki);
    try {
      await server.#run();
    } catch (error) {
      server.#stopping.abort();
      await store.close();
      throw error;
    }
    return server;
  }

  /** Where clients reach it. */
  get url(): string {
    const host = this.#options.host.includes(':') ? `[${this.#options.host}]` : this.#options.host;
    return `https://${host}:${this.#address?.port ?? this.#options.port}`;
  }

  get store(): Store {
    return this.#store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#listener.close(CLOSE_GRACE_MS);
    await this.#webhooks.close();
    await this.#store.close();
  }

  async #run(): Promise<void> {
    // Definitions first: what is stored must be served from the first request on.
    this.#controllers();
    this.#address = await this.#listener.listen();
    await bootstrap(this.core.deps.registry, this.#address.port);
    this.#unready.clear();
    every(COMPACT_INTERVAL_MS, this.#stopping.signal, () => this.#store.compact());
  }

  #startControllers(registry: RegistryDeps, builtins: Builtins, aggregation: Aggregation): void {
    const { log } = this.#options;
    const { signal } = this.#stopping;
    const context = {
      metadata: builtins.type('meta/v1', 'ObjectMeta'),
      conversion: (definition: Parameters<typeof conversionOf>[1], version: string, stored: string) =>
        conversionOf(this.#webhooks, definition, version, stored),
    };
    new DefinitionController(registry, context, log).start(signal);
    new GarbageCollector(registry, log).start(signal);
    new NamespaceController(registry, this.pki.caCertificate, log).start(signal);
    new AggregatedRoles(registry, log).start(signal);
    new QuotaStatus(registry, log).start(signal);
    new AccountTokenSecrets(registry, {
      tokens: this.core.deps.tokens,
      caCertificate: this.pki.caCertificate,
      log,
    }).start(signal);
    new EventExpiry(registry, log).start(signal);
    new ApiServiceStatus(registry, aggregation, log).start(signal);
  }
}
