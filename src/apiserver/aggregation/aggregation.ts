import { createHash } from 'node:crypto';
import { Agent, request as httpRequest } from 'undici';
import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import { forwardedBody, forwardedHeaders, pour } from '../http/forward.ts';
import type { ApiRequest, Reply, RequestInfo, Upgrade } from '../http/request.ts';
import { at, listAt, type Resource, textAt } from '../kinds/index.ts';
import { parseEntry, SYSTEM_USER, type User } from '../registry/index.ts';
import type { Store } from '../store/index.ts';

/** An API group that another part of this process serves. */
export interface LocalService {
  group: string;
  version: string;
  handle: (request: ApiRequest, info: RequestInfo) => Promise<Reply | undefined>;
  upgrade?: (request: ApiRequest, info: RequestInfo) => Promise<Upgrade | undefined>;
  /** Its APIResourceList. */
  resources: () => unknown;
  /** Its kinds with their schemas, for the OpenAPI documents. */
  described?: () => Resource[];
}

export interface AggregationOptions {
  store: Store;
  /** Client certificate by which extension servers know that a request comes from here. */
  proxyCertificate: () => { cert: string; key: string };
  /** Where a service of the cluster can be reached from this process: host and port. */
  resolve: (namespace: string, name: string, port: number) => { host: string; port: number } | undefined;
}

const COLLECTION = 'apiregistration.k8s.io/apiservices';
const TIMEOUT_MS = 30_000;
const PROBE_TIMEOUT_MS = 5_000;
const MAX_DOCUMENT = 16 * 1024 * 1024;

/** Sends the groups that an APIService names to where they are served. */
export class Aggregation {
  readonly #options: AggregationOptions;
  readonly #local = new Map<string, LocalService>();
  readonly #agents = new Map<string, Agent>();

  constructor(options: AggregationOptions) {
    this.#options = options;
  }

  mount(service: LocalService): void {
    this.#local.set(`${service.group}/${service.version}`, service);
  }

  /** Groups and versions that are served outside the catalog. */
  groups(): Map<string, string[]> {
    const groups = new Map<string, string[]>();
    const add = (group: string, version: string): void =>
      void groups.set(group, [...(groups.get(group) ?? []), version]);
    for (const { group, version } of this.#local.values()) add(group, version);
    for (const { group, version } of this.remote()) add(group, version);
    return groups;
  }

  /** Groups and versions that servers outside this process answer for right now. */
  remote(): { group: string; version: string }[] {
    return this.#services()
      .filter((service) => at(service, 'spec.service') !== undefined && isAvailable(service))
      .map((service) => ({
        group: textAt(service, 'spec.group') ?? '',
        version: textAt(service, 'spec.version') ?? '',
      }));
  }

  /** The kinds that parts of this process serve and describe. */
  described(): Resource[] {
    return [...this.#local.values()].flatMap((service) => service.described?.() ?? []);
  }

  async handle(request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> {
    const local = this.#local.get(`${info.group}/${info.version}`);
    if (local !== undefined) return local.handle(request, info);
    const service = this.#find(info.group, info.version);
    return service && this.#forward(service, request);
  }

  async upgrade(request: ApiRequest, info: RequestInfo): Promise<Upgrade | undefined> {
    return this.#local.get(`${info.group}/${info.version}`)?.upgrade?.(request, info);
  }

  /** The resource list of a group that is served elsewhere. */
  async handleGroupVersion(request: ApiRequest, group: string, version: string): Promise<Reply | undefined> {
    const local = this.#local.get(`${group}/${version}`);
    if (local !== undefined)
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(local.resources()),
      };
    const service = this.#find(group, version);
    return service && this.#forward(service, request);
  }

  /** Entries for the aggregated discovery document; what does not answer in time is left out. */
  async discovery(request: ApiRequest): Promise<unknown[]> {
    const entries: unknown[] = [];
    for (const [group, versions] of this.groups()) {
      const documents = await Promise.all(
        versions.map((version) => this.#resources(request, group, version).catch(() => undefined)),
      );
      const rows = versions.flatMap((version, index) =>
        documents[index] === undefined
          ? []
          : [{ version, resources: toAggregated(documents[index], group, version), freshness: 'Current' }],
      );
      entries.push({ metadata: { name: group, creationTimestamp: null }, versions: rows });
    }
    return entries;
  }

  async #resources(request: ApiRequest, group: string, version: string): Promise<unknown> {
    const local = this.#local.get(`${group}/${version}`);
    if (local !== undefined) return local.resources();
    return this.document(group, version, `/apis/${group}/${version}`, request);
  }

  /** A JSON document of the server that answers for a group, or undefined. */
  async document(
    group: string,
    version: string,
    path: string,
    { user, signal }: Pick<ApiRequest, 'user' | 'signal'>,
  ): Promise<unknown> {
    const service = this.#find(group, version);
    if (service === undefined) return undefined;
    const { statusCode, body } = await this.#call(service, plainGet(path, user, signal));
    if (statusCode === 200) return JSON.parse(await readText(body));
    await body.dump();
    return undefined;
  }

  /** Why an extension server cannot be used, or undefined. */
  async probe(service: KubeObject): Promise<string | undefined> {
    const [group, version] = [textAt(service, 'spec.group') ?? '', textAt(service, 'spec.version') ?? ''];
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    const request = plainGet(`/apis/${group}/${version}`, SYSTEM_USER, signal);
    try {
      const answer = await this.#call(service, request);
      await answer.body.dump();
      return answer.statusCode < 300
        ? undefined
        : `failing or missing response: it answered ${answer.statusCode}`;
    } catch (error) {
      return `failing or missing response: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #services(): KubeObject[] {
    return [...this.#options.store.shelf(COLLECTION).live.range('')].map(parseEntry);
  }

  #find(group: string, version: string): KubeObject | undefined {
    const entry = this.#options.store.get(COLLECTION, `/${version}.${group}`);
    const service = entry && parseEntry(entry);
    return service !== undefined && at(service, 'spec.service') !== undefined ? service : undefined;
  }

  async #forward(service: KubeObject, request: ApiRequest): Promise<Reply> {
    try {
      const { statusCode, headers, body } = await this.#call(service, request);
      return { status: statusCode, headers: forwardedHeaders(headers), start: (sink) => pour(body, sink) };
    } catch (error) {
      if (error instanceof ApiError) throw error;
      throw new ApiError(
        'ServiceUnavailable',
        'the server is currently unable to handle the request',
        undefined,
        error,
      );
    }
  }

  async #call(service: KubeObject, request: ApiRequest) {
    const { dispatcher, origin } = this.#agent(service);
    const query = request.query.size > 0 ? `?${request.query}` : '';
    return httpRequest(`${origin}${request.path}${query}`, {
      dispatcher,
      method: request.method as 'GET',
      headers: { ...forwardedHeaders(request.headers), ...identityHeaders(request.user) },
      body: forwardedBody(request),
      signal: request.signal,
      headersTimeout: TIMEOUT_MS,
    });
  }

  /** A connection pool that trusts exactly what the APIService says. */
  #agent(service: KubeObject): { dispatcher: Agent; origin: string } {
    const [namespace, name, port] = [
      textAt(service, 'spec.service.namespace') ?? '',
      textAt(service, 'spec.service.name') ?? '',
      Number(at(service, 'spec.service.port') ?? 443),
    ];
    const address = this.#options.resolve(namespace, name, port);
    if (address === undefined)
      throw new ApiError('ServiceUnavailable', `service ${namespace}/${name} has no address`);
    const ca = Buffer.from(textAt(service, 'spec.caBundle') ?? '', 'base64').toString();
    const insecure = at(service, 'spec.insecureSkipTLSVerify') === true;
    const key = createHash('sha256')
      .update(JSON.stringify([address, ca, insecure, namespace, name]))
      .digest('hex');
    let dispatcher = this.#agents.get(key);
    if (dispatcher === undefined) {
      const servername = `${name}.${namespace}.svc`;
      dispatcher = new Agent({
        connect: {
          ...this.#options.proxyCertificate(),
          servername,
          rejectUnauthorized: !insecure,
          ...(ca !== '' && { ca }),
        },
      });
      this.#agents.set(key, dispatcher);
    }
    return { dispatcher, origin: `https://${address.host}:${address.port}` };
  }
}

function plainGet(path: string, user: User, signal: AbortSignal): ApiRequest {
  return {
    method: 'GET',
    path,
    query: new URLSearchParams(),
    headers: { accept: 'application/json' },
    user,
    signal,
  };
}

/** What an extension server says, as far as somebody may say something. */
async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_DOCUMENT) throw new Error('its document is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function identityHeaders(user: User): Record<string, string | string[]> {
  const extra = Object.entries(user.extra ?? {}).map(
    ([key, values]) => [`x-remote-extra-${encodeURIComponent(key)}`, [...values]] as const,
  );
  return { 'x-remote-user': user.name, 'x-remote-group': [...user.groups], ...Object.fromEntries(extra) };
}

export function isAvailable(service: KubeObject): boolean {
  return listAt(service, 'status.conditions').some(
    (item) => at(item, 'type') === 'Available' && at(item, 'status') === 'True',
  );
}

function toAggregated(document: unknown, group: string, version: string): unknown[] {
  const rows = listAt(document, 'resources').filter(isRecord);
  return rows
    .filter((row) => !String(row['name']).includes('/'))
    .map((row) => ({
      resource: row['name'],
      responseKind: { group, version, kind: row['kind'] },
      scope: row['namespaced'] === true ? 'Namespaced' : 'Cluster',
      singularResource: row['singularName'] ?? '',
      verbs: row['verbs'],
      ...(row['shortNames'] !== undefined && { shortNames: row['shortNames'] }),
    }));
}
