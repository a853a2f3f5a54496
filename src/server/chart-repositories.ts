import { createHash } from 'node:crypto';
import type { Artifact, ChartPlace, ChartSource } from '../gitops/index.ts';
import { Keychain, RegistryClient, RegistryError, type RegistrySettings } from '../images/index.ts';
import { compareVersions, parseVersion, readYaml, RenderError, satisfies } from '../render/index.ts';

const INDEX_MS = 180_000;
const MAX_INDEX = 64 * 1024 * 1024;
const MAX_CHART = 64 * 1024 * 1024;
const FLUX_MEDIA = 'application/vnd.cncf.flux.content.v1.tar+gzip';
const CHART_MEDIA = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';
const MANIFEST_MEDIA = 'application/vnd.oci.image.manifest.v1+json';
const KEPT = 100;

interface Entry {
  version: string;
  urls: string[];
  /** What the chart has to be. */
  digest?: string;
}

/** Charts out of HTTP repositories and registries. */
export class ChartRepositories implements ChartSource, AsyncDisposable {
  readonly #fetch: typeof fetch;
  readonly #registry: RegistryClient;
  readonly #now: () => number;
  readonly #indexes = new Map<string, { until: number; entries: Promise<Record<string, Entry[]>> }>();
  /** A version of a chart never changes. */
  readonly #charts = new Map<string, Promise<Buffer>>();

  constructor({
    fetch: send,
    settings,
    now,
  }: { fetch: typeof fetch; settings: RegistrySettings; now: () => number }) {
    this.#fetch = send;
    this.#registry = new RegistryClient(settings);
    this.#now = now;
  }

  resolve = async (place: ChartPlace): Promise<string> => {
    const { version, name, repository } = place;
    const exact = parseVersion(version);
    if (exact !== undefined && /^v?\d+\.\d+\.\d+/.test(version)) return version;
    const known = isOci(repository)
      ? await this.#tags(place)
      : ((await this.#index(place))[name] ?? []).map((entry) => entry.version);
    const range = version === '' || version === 'HEAD' || version === '*' ? '*' : version;
    const found = known
      .map((text) => ({ text, parsed: parseVersion(text.replaceAll('_', '+')) }))
      .filter(({ parsed }) => parsed !== undefined && satisfies(range, parsed))
      .sort((a, b) => compareVersions(b.parsed!, a.parsed!));
    if (found[0] === undefined)
      throw new RenderError(`${repository} has no version of ${name} that fits ${version}`);
    return found[0].text;
  };

  fetch = async (place: ChartPlace): Promise<Buffer> => {
    const version = await this.resolve(place);
    const key = `${place.repository} ${place.name} ${version}`;
    let known = this.#charts.get(key);
    if (known === undefined) {
      known = isOci(place.repository)
        ? this.#pull({ ...place, version })
        : this.#download({ ...place, version });
      if (this.#charts.size >= KEPT) this.#charts.clear();
      this.#charts.set(key, known);
      known.catch(() => this.#charts.delete(key));
    }
    return known;
  };

  artifact = async (place: ChartPlace, mediaType?: string): Promise<Artifact> => {
    const manifest = await this.#call(place, `manifests/${place.version}`);
    const { layers = [] } = JSON.parse(manifest.toString()) as {
      layers?: { mediaType: string; digest: string; size: number }[];
    };
    const layer =
      layers.find((item) => item.mediaType === (mediaType ?? FLUX_MEDIA)) ??
      layers.find((item) => mediaType === undefined && item.mediaType.endsWith('tar+gzip'));
    const label = `${place.repository}/${place.name}:${place.version}`;
    if (layer === undefined || layer.size > MAX_CHART)
      throw new RenderError(`${label} has no layer of packed files`);
    return {
      digest: `sha256:${createHash('sha256').update(manifest).digest('hex')}`,
      fetch: async () => {
        const bytes = await this.#call(place, `blobs/${layer.digest}`);
        checkDigest(bytes, layer.digest, label);
        return bytes;
      },
    };
  };

  async #download(place: ChartPlace): Promise<Buffer> {
    const entry = ((await this.#index(place))[place.name] ?? []).find(
      (item) => item.version === place.version,
    );
    const url = entry?.urls[0];
    if (url === undefined) throw new RenderError(`${place.repository} has no ${place.name} ${place.version}`);
    const base = `${place.repository.replace(/\/$/, '')}/`;
    const bytes = await this.#get(new URL(url, base), place, MAX_CHART);
    checkDigest(bytes, entry?.digest, `${place.name} ${place.version}`);
    return bytes;
  }

  #index(place: ChartPlace): Promise<Record<string, Entry[]>> {
    const known = this.#indexes.get(place.repository);
    if (known !== undefined && known.until > this.#now()) return known.entries;
    const url = new URL(`${place.repository.replace(/\/$/, '')}/index.yaml`);
    const entries = this.#get(url, place, MAX_INDEX).then((bytes) => {
      const index = readYaml(bytes.toString(), url.href) as { entries?: Record<string, Entry[]> } | null;
      return index?.entries ?? {};
    });
    this.#indexes.set(place.repository, { until: this.#now() + INDEX_MS, entries });
    entries.catch(() => this.#indexes.delete(place.repository));
    return entries;
  }

  /** A login goes to the host of the repository, and to no other. */
  async #get(url: URL, { repository, credentials }: ChartPlace, limit: number): Promise<Buffer> {
    const isOwn = url.origin === new URL(repository).origin;
    const login = credentials === undefined ? '' : `${credentials.username}:${credentials.secret}`;
    const headers =
      login !== '' && isOwn ? { authorization: `Basic ${Buffer.from(login).toString('base64')}` } : undefined;
    let response: Response;
    try {
      response = await this.#fetch(url, {
        ...(headers && { headers }),
        redirect: headers === undefined ? 'follow' : 'error',
        signal: AbortSignal.timeout(60_000),
      });
    } catch (error) {
      const { cause, message } = error as Error;
      throw new RenderError(
        `${url.host} cannot be read: ${cause instanceof Error ? cause.message : message}`,
        { cause: error },
      );
    }
    if (!response.ok) throw new RenderError(`${url.host} answered ${response.status} for ${url.pathname}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > limit) throw new RenderError(`${url.href} is larger than ${limit / 1024 / 1024} MiB`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  async #tags(place: ChartPlace): Promise<string[]> {
    const { tags } = JSON.parse((await this.#call(place, 'tags/list')).toString()) as { tags?: string[] };
    return tags ?? [];
  }

  async #pull(place: ChartPlace): Promise<Buffer> {
    const manifest = JSON.parse(
      (await this.#call(place, `manifests/${place.version.replaceAll('+', '_')}`)).toString(),
    ) as {
      layers?: { mediaType: string; digest: string; size: number }[];
    };
    const layer = manifest.layers?.find(({ mediaType }) => mediaType === CHART_MEDIA);
    if (layer === undefined || layer.size > MAX_CHART)
      throw new RenderError(`${place.repository}/${place.name}:${place.version} is no chart`);
    const bytes = await this.#call(place, `blobs/${layer.digest}`);
    checkDigest(bytes, layer.digest, `${place.name} ${place.version}`);
    return bytes;
  }

  async #call({ repository, name, credentials }: ChartPlace, path: string): Promise<Buffer> {
    const [host = '', ...rest] = repository
      .replace(/^oci:\/\//, '')
      .replace(/\/$/, '')
      .split('/');
    const place = [...rest, name].join('/');
    const keychain = new Keychain();
    if (credentials !== undefined)
      keychain.add(host, { username: credentials.username, password: credentials.secret });
    let last: unknown;
    for (const base of this.#registry.bases(host)) {
      try {
        const { body } = await this.#registry.call(base, place, path, keychain, {
          headers: { accept: MANIFEST_MEDIA },
          actions: 'pull',
        });
        return Buffer.from(await body.arrayBuffer());
      } catch (error) {
        last = error;
        if (error instanceof RegistryError) break;
      }
    }
    throw new RenderError(`${host} cannot be read: ${(last as Error).message}`, { cause: last });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry.close();
  }
}

/** A chart is what its repository says that it is, or it is refused. */
function checkDigest(bytes: Buffer, wanted: string | undefined, label: string): void {
  if (wanted === undefined || wanted === '') return;
  const found = createHash('sha256').update(bytes).digest('hex');
  if (wanted.replace(/^sha256:/, '') !== found)
    throw new RenderError(`${label} is not what its repository says: its digest is sha256:${found}`);
}

function isOci(repository: string): boolean {
  return repository.startsWith('oci://');
}
