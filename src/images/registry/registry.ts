import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { ImageStore } from '../content/image-store.ts';
import {
  type Descriptor,
  type Index,
  isIndexType,
  isManifestType,
  type Manifest,
  MEDIA,
} from '../manifest.ts';
import { isDigest, isRepository, isTag } from '../reference.ts';
import { Refusal } from './errors.ts';
import { Repositories } from './repositories.ts';
import { Uploads } from './uploads.ts';

export type Access = 'pull' | 'push' | 'delete';

/** Decides by the Authorization header; without a repository it only asks who somebody is. */
export type Authorize = (
  header: string | undefined,
  access: Access,
  repository: string | undefined,
) => Promise<'yes' | 'no' | 'who'>;

export interface RegistryOptions {
  images: ImageStore;
  /** The name under which the store keeps what is pushed here. */
  host: string;
  root: string;
  authorize: Authorize;
  now: () => number;
  onError: (error: unknown) => void;
}

const MAX_MANIFEST = 8 * 1024 * 1024;
const PATH = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)(?:\/(.*))?$/;
const DEFAULT_PAGE = 1000;

interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  repository: string;
  rest: string;
}

/** A registry of the OCI distribution specification, on the same store that the node and the builder use. */
export class Registry implements AsyncDisposable {
  readonly repositories: Repositories;
  readonly #options: RegistryOptions;
  readonly #uploads: Uploads;
  readonly #server: Server;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.repositories = new Repositories(options.root);
    this.#uploads = new Uploads(options.images.content, options.now);
    this.#server = createServer(
      { requestTimeout: 0, headersTimeout: 30_000 },
      (request, response) => void this.#serve(request, response),
    );
  }

  async listen(host: string, port: number): Promise<number> {
    await this.repositories.open();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#uploads[Symbol.asyncDispose]();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    try {
      await this.#route(request, response);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : undefined;
      // A client that goes away in the middle is no failure of ours.
      const isGone =
        (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE' || request.destroyed;
      if (refusal === undefined && !isGone) this.#options.onError(error);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
      const body = refusal
        ? { errors: [{ code: refusal.code, message: refusal.message }] }
        : { errors: [{ code: 'UNKNOWN', message: full ? 'The disk is full.' : 'The registry has failed.' }] };
      json(response, refusal?.status ?? (full ? 507 : 500), body, {
        ...refusal?.headers,
        connection: 'close',
      });
      request.resume();
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://registry');
    if (url === null) throw new Refusal('NAME_INVALID', 'The address is malformed.');
    if (url.pathname === '/v2/' || url.pathname === '/v2') {
      await this.#allow(request, 'pull', undefined);
      json(response, 200, {});
      return;
    }
    if (url.pathname === '/v2/_catalog') {
      await this.#allow(request, 'pull', undefined);
      const { page, link } = paged(this.repositories.names(), url);
      json(response, 200, { repositories: page }, link);
      return;
    }
    const match = PATH.exec(url.pathname);
    const [, repository = '', kind, rest = ''] = match ?? [];
    if (match === null || !isRepository(repository))
      throw new Refusal('NAME_INVALID', 'This is no path of a registry.');
    const access =
      request.method === 'DELETE'
        ? 'delete'
        : request.method === 'GET' || request.method === 'HEAD'
          ? 'pull'
          : 'push';
    await this.#allow(request, access, repository);
    const call: Call = { request, response, url, repository, rest };
    if (kind === 'manifests') await this.#manifests(call);
    else if (kind === 'tags') this.#tags(call);
    else if (kind === 'referrers') this.#referrers(call);
    else if (rest === 'uploads' || rest === 'uploads/' || rest.startsWith('uploads/'))
      await this.#upload({ ...call, rest: rest.slice('uploads/'.length) });
    else await this.#blobs(call);
  }

  async #allow(request: IncomingMessage, access: Access, repository: string | undefined): Promise<void> {
    const verdict = await this.#options.authorize(request.headers.authorization, access, repository);
    if (verdict === 'yes') return;
    if (verdict === 'who')
      throw new Refusal('UNAUTHORIZED', 'Log in with any name, and a token of this server as the password.', {
        'www-authenticate': 'Basic realm="Dispatch"',
      });
    throw new Refusal('DENIED', `You may not ${access} ${repository ?? 'here'}.`);
  }

  #nameOf(repository: string, tag: string): string {
    return `${this.#options.host}/${repository}:${tag}`;
  }

  async #manifests({ request, response, repository, rest: reference }: Call): Promise<void> {
    if (!isDigest(reference) && !isTag(reference))
      throw new Refusal('MANIFEST_INVALID', `${JSON.stringify(reference)} is no tag and no digest.`);
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return this.#getManifest(request, response, repository, reference);
      case 'PUT':
        return this.#putManifest(request, response, repository, reference);
      case 'DELETE':
        return this.#deleteManifest(response, repository, reference);
      default:
        throw new Refusal('UNSUPPORTED', 'Manifests are read, written and deleted.');
    }
  }

  async #getManifest(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    reference: string,
  ): Promise<void> {
    const { images } = this.#options;
    const digest = isDigest(reference) ? reference : images.digestOf(this.#nameOf(repository, reference));
    const stored = digest === undefined ? undefined : this.repositories.find(repository, digest);
    if (digest === undefined || stored === undefined || !(await images.content.has(digest)))
      throw new Refusal('MANIFEST_UNKNOWN', `${repository} has no ${reference}.`);
    response.writeHead(200, {
      'content-type': stored.mediaType,
      'content-length': stored.size,
      'docker-content-digest': digest,
      etag: `"${digest}"`,
    });
    if (request.method === 'HEAD') response.end();
    else await pipeline(await images.content.read(digest), response);
  }

  async #putManifest(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    reference: string,
  ): Promise<void> {
    const { images } = this.#options;
    const bytes = await bodyOf(request);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (isDigest(reference) && reference !== digest)
      throw new Refusal('DIGEST_INVALID', `The manifest is ${digest}, not ${reference}.`);
    const document = parseManifest(bytes);
    const mediaType = document.mediaType ?? request.headers['content-type'] ?? MEDIA.manifest;
    if (!isIndexType(mediaType) && !isManifestType(mediaType))
      throw new Refusal('MANIFEST_INVALID', `${JSON.stringify(mediaType)} is no kind of manifest.`);
    const parts: Descriptor[] = document.manifests ?? [document.config!, ...(document.layers ?? [])];
    for (const part of parts)
      if (!(await images.content.has(part.digest)))
        throw new Refusal('MANIFEST_BLOB_UNKNOWN', `${part.digest} has not been pushed.`);
    await images.content.put(bytes, { digest });
    const subject = document.subject?.digest;
    await this.repositories.add({
      repository,
      digest,
      mediaType,
      size: bytes.length,
      ...(subject !== undefined && { subject }),
      ...((document.artifactType ?? document.config?.mediaType) !== undefined && {
        artifactType: document.artifactType ?? document.config!.mediaType,
      }),
      ...(document.annotations && { annotations: document.annotations }),
    });
    if (!isDigest(reference)) await images.tag(this.#nameOf(repository, reference), digest);
    response.writeHead(201, {
      location: `/v2/${repository}/manifests/${digest}`,
      'docker-content-digest': digest,
      ...(subject !== undefined && { 'oci-subject': subject }),
      'content-length': 0,
    });
    response.end();
  }

  async #deleteManifest(response: ServerResponse, repository: string, reference: string): Promise<void> {
    const { images } = this.#options;
    if (!isDigest(reference)) {
      if (!(await images.untag(this.#nameOf(repository, reference))))
        throw new Refusal('MANIFEST_UNKNOWN', `${repository} has no tag ${reference}.`);
    } else {
      if (!(await this.repositories.remove(repository, reference)))
        throw new Refusal('MANIFEST_UNKNOWN', `${repository} has no ${reference}.`);
      const prefix = `${this.#options.host}/${repository}:`;
      for (const [name, digest] of [...images.names()])
        if (digest === reference && name.startsWith(prefix)) await images.untag(name);
    }
    response.writeHead(202, { 'content-length': 0 });
    response.end();
  }

  #tags({ response, url, repository, rest }: Call): void {
    if (rest !== 'list') throw new Refusal('NAME_INVALID', 'This is no path of a registry.');
    const prefix = `${this.#options.host}/${repository}:`;
    const tags = [...this.#options.images.names().keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .sort();
    if (tags.length === 0 && !this.repositories.names().includes(repository))
      throw new Refusal('NAME_UNKNOWN', `There is no repository ${repository}.`);
    const { page, link } = paged(tags, url);
    json(response, 200, { name: repository, tags: page }, link);
  }

  #referrers({ response, url, repository, rest: digest }: Call): void {
    if (!isDigest(digest)) throw new Refusal('DIGEST_INVALID', `${JSON.stringify(digest)} is no digest.`);
    const type = url.searchParams.get('artifactType');
    const manifests = this.repositories
      .referrers(repository, digest)
      .filter((item) => type === null || item.artifactType === type)
      .map(({ repository: _, subject: __, ...descriptor }) => descriptor);
    json(
      response,
      200,
      { schemaVersion: 2, mediaType: MEDIA.index, manifests },
      {
        'content-type': MEDIA.index,
        ...(type !== null && { 'oci-filters-applied': 'artifactType' }),
      },
    );
  }

  async #blobs({ request, response, rest: digest }: Call): Promise<void> {
    const { content } = this.#options.images;
    if (!isDigest(digest)) throw new Refusal('DIGEST_INVALID', `${JSON.stringify(digest)} is no digest.`);
    const size = await content.sizeOf(digest);
    if (size === undefined) throw new Refusal('BLOB_UNKNOWN', `There is no ${digest}.`);
    if (request.method === 'DELETE')
      throw new Refusal(
        'UNSUPPORTED',
        'Blobs go by themselves when nothing needs them: delete the manifest.',
      );
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new Refusal('UNSUPPORTED', 'Blobs are read here.');
    const range = rangeOf(request.headers.range, size);
    const headers = {
      'content-type': 'application/octet-stream',
      'docker-content-digest': digest,
      'accept-ranges': 'bytes',
      etag: `"${digest}"`,
    };
    if (range === undefined) response.writeHead(200, { ...headers, 'content-length': size });
    else
      response.writeHead(206, {
        ...headers,
        'content-length': range.end - range.start + 1,
        'content-range': `bytes ${range.start}-${range.end}/${size}`,
      });
    if (request.method === 'HEAD') response.end();
    else await pipeline(await content.read(digest, range), response);
  }

  async #upload({ request, response, url, repository, rest: id }: Call): Promise<void> {
    const { content } = this.#options.images;
    const digest = url.searchParams.get('digest');
    if (digest !== null && !isDigest(digest))
      throw new Refusal('DIGEST_INVALID', `${JSON.stringify(digest)} is no digest.`);
    if (id === '') {
      if (request.method !== 'POST') throw new Refusal('UNSUPPORTED', 'An upload begins with POST.');
      const mount = url.searchParams.get('mount');
      if (
        mount !== null &&
        isDigest(mount) &&
        (await this.#mayMount(request, url)) &&
        (await content.has(mount))
      ) {
        this.#created(response, repository, mount);
        return;
      }
      const begun = await this.#uploads.begin(repository);
      if (digest === null) {
        this.#going(response, repository, begun, 202);
        return;
      }
      await this.#uploads.append(repository, begun, request, undefined);
      await this.#uploads.finish(repository, begun, digest);
      this.#created(response, repository, digest);
      return;
    }
    switch (request.method) {
      case 'GET':
        this.#going(response, repository, id, 204);
        return;
      case 'PATCH':
        await this.#uploads.append(repository, id, request, startOf(request.headers['content-range']));
        this.#going(response, repository, id, 202);
        return;
      case 'PUT':
        if (digest === null) throw new Refusal('DIGEST_INVALID', 'The end of an upload names its digest.');
        await this.#uploads.append(repository, id, request, startOf(request.headers['content-range']));
        await this.#uploads.finish(repository, id, digest);
        this.#created(response, repository, digest);
        return;
      case 'DELETE':
        await this.#uploads.cancel(repository, id);
        response.writeHead(204);
        response.end();
        return;
      default:
        throw new Refusal('UNSUPPORTED', 'An upload goes on with PATCH and ends with PUT.');
    }
  }

  /** A blob of another repository may be taken over by those who may read that one. */
  async #mayMount(request: IncomingMessage, url: URL): Promise<boolean> {
    const from = url.searchParams.get('from');
    if (from === null || !isRepository(from)) return false;
    return (await this.#options.authorize(request.headers.authorization, 'pull', from)) === 'yes';
  }

  #going(response: ServerResponse, repository: string, id: string, status: number): void {
    const size = this.#uploads.sizeOf(repository, id);
    response.writeHead(status, {
      location: `/v2/${repository}/blobs/uploads/${id}`,
      range: `0-${Math.max(0, size - 1)}`,
      'docker-upload-uuid': id,
      ...(status !== 204 && { 'content-length': 0 }),
    });
    response.end();
  }

  #created(response: ServerResponse, repository: string, digest: string): void {
    response.writeHead(201, {
      location: `/v2/${repository}/blobs/${digest}`,
      'docker-content-digest': digest,
      'content-length': 0,
    });
    response.end();
  }
}

function json(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

function paged(all: readonly string[], url: URL): { page: string[]; link: Record<string, string> } {
  const asked = Number(url.searchParams.get('n') ?? DEFAULT_PAGE);
  const size = Number.isInteger(asked) && asked >= 0 ? Math.min(asked, DEFAULT_PAGE) : DEFAULT_PAGE;
  const last = url.searchParams.get('last');
  const after = last === null ? all : all.filter((item) => item > last);
  const page = after.slice(0, size);
  if (page.length === 0 || page.length === after.length) return { page: [...page], link: {} };
  const next = `${url.pathname}?n=${size}&last=${encodeURIComponent(page.at(-1)!)}`;
  return { page: [...page], link: { link: `<${next}>; rel="next"` } };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_MANIFEST)
      throw new Refusal('SIZE_INVALID', `A manifest may have at most ${MAX_MANIFEST} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseManifest(
  bytes: Buffer,
): Partial<Omit<Manifest, 'mediaType'>> & Partial<Omit<Index, 'mediaType'>> & { mediaType?: string } {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString());
  } catch {
    throw new Refusal('MANIFEST_INVALID', 'The manifest is not JSON.');
  }
  const { config, layers, manifests } = (document ?? {}) as Partial<Manifest & Index>;
  const descriptors = Array.isArray(manifests)
    ? manifests
    : Array.isArray(layers) && config
      ? [config, ...layers]
      : undefined;
  if (descriptors === undefined || !descriptors.every((item) => isDigest(String(item?.digest))))
    throw new Refusal('MANIFEST_INVALID', 'The manifest is malformed.');
  return document as ReturnType<typeof parseManifest>;
}

function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (start > end) throw new Refusal('RANGE_INVALID', `The content has ${size} bytes.`);
  return { start, end };
}

function startOf(header: string | undefined): number | undefined {
  const match = /^(?:bytes[ =])?(\d+)-\d+/.exec(header ?? '');
  return match === null ? undefined : Number(match[1]);
}
