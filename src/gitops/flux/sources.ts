import { type Secret, SECRETS, secretText, unlessGone } from '../../kube/index.ts';
import { RenderError, type SopsKeys, type SourceTree } from '../../render/index.ts';
import { type Remote, sshLoginOf } from '../../scm/index.ts';
import type { Artifact, ChartPlace, GitopsContext } from '../context.ts';
import type { RepositoryCredentials } from '../sources/credentials.ts';
import type { Repositories } from '../sources/repositories.ts';
import { type BucketAccess, listBucket } from './bucket.ts';
import { ignoreId, withoutIgnored } from './ignored.ts';
import { SourceNotReady } from './not-ready.ts';
import {
  BUCKETS,
  GIT_REPOSITORIES,
  HELM_CHARTS,
  HELM_REPOSITORIES,
  OCI_REPOSITORIES,
  type SourceObject,
  type SourceReference,
} from './resources.ts';

export interface SourceParts {
  context: GitopsContext;
  repositories: Repositories;
  credentials: RepositoryCredentials;
}

export interface SourceFiles {
  id: string;
  revision: string;
  tree: () => Promise<SourceTree>;
  /** Stands for some of them: the same as long as nothing of these changes, whatever else does. */
  idOf: (paths: readonly string[]) => Promise<string>;
}

/** The files and charts that source objects stand for. */
export class FluxSources {
  readonly #parts: SourceParts;
  readonly #buckets = new Map<string, SourceFiles>();

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  find({ kind, name, namespace }: SourceReference, from: string): SourceObject {
    const resource = {
      GitRepository: GIT_REPOSITORIES,
      HelmRepository: HELM_REPOSITORIES,
      OCIRepository: OCI_REPOSITORIES,
      Bucket: BUCKETS,
      HelmChart: HELM_CHARTS,
    }[kind];
    if (resource === undefined) throw new SourceNotReady(`${kind} is no kind of source that is known here.`);
    // Sources of another namespace belong to others.
    if (namespace !== undefined && namespace !== from)
      throw new SourceNotReady(
        `The source ${kind} ${namespace}/${name} is in another namespace: make one in ${from}.`,
      );
    const found = this.#parts.context.informers.for<SourceObject>(resource).get(from, name);
    if (found === undefined) throw new SourceNotReady(`There is no ${kind} ${from}/${name}.`);
    return found;
  }

  async remote(source: SourceObject): Promise<Remote> {
    const namespace = source.metadata.namespace ?? '';
    const { remote } = await this.#parts.credentials.source(source.spec.url ?? '', { namespace });
    if (remote.ssh !== undefined) {
      const own = sshLoginOf(await this.#secretOf(source), remote.ssh.knownHosts);
      return own === undefined ? remote : { ...remote, ssh: own };
    }
    const login = await this.#login(source);
    return login === undefined ? remote : { ...remote, credentials: login };
  }

  async #bucketAccess({ spec, metadata }: SourceObject): Promise<BucketAccess> {
    const { client, outward } = this.#parts.context;
    const secretNamed = async (name: string): Promise<Secret> => {
      const secret = await unlessGone(client.get<Secret>(SECRETS, metadata.namespace ?? '', name));
      if (secret === undefined) throw new SourceNotReady(`There is no Secret ${name} for the bucket.`);
      return secret;
    };
    const login = spec.secretRef && (await secretNamed(spec.secretRef.name));
    const trusted = spec.certSecretRef && secretText(await secretNamed(spec.certSecretRef.name), 'ca.crt');
    const [id, secret] = [secretText(login, 'accesskey'), secretText(login, 'secretkey')];
    if (login !== undefined && (id === '' || secret === ''))
      throw new SourceNotReady(`The Secret ${spec.secretRef!.name} has no accesskey and secretkey.`);
    return { keys: login && { id, secret }, fetch: outward(trusted || undefined) };
  }

  async #secretOf({ spec, metadata }: SourceObject): Promise<Secret | undefined> {
    if (spec.secretRef === undefined) return undefined;
    const secret = await unlessGone(
      this.#parts.context.client.get<Secret>(SECRETS, metadata.namespace ?? '', spec.secretRef.name),
    );
    if (secret === undefined)
      throw new SourceNotReady(`There is no Secret ${spec.secretRef.name} with its login.`);
    return secret;
  }

  async #login(source: SourceObject): Promise<{ username: string; secret: string } | undefined> {
    const secret = await this.#secretOf(source);
    if (secret === undefined) return undefined;
    const config = secretText(secret, '.dockerconfigjson');
    if (config !== '') return dockerLogin(config, source.spec.url ?? '');
    const password = secretText(secret, 'password') || secretText(secret, 'bearerToken');
    return { username: secretText(secret, 'username'), secret: password };
  }

  /** What was heard of a repository lately does not count. */
  async askAgain(source: SourceObject): Promise<void> {
    if (source.kind === 'GitRepository') this.#parts.repositories.forget((await this.remote(source)).url);
  }

  /** What a Git repository is at: "main@sha1:…". */
  async gitRevision(source: SourceObject): Promise<{ commit: string; revision: string }> {
    const { branch = 'master', tag, semver, name, commit } = source.spec.ref ?? {};
    const wanted = commit ?? name ?? tag ?? semver ?? branch;
    const resolved = await this.#parts.repositories.resolve(await this.remote(source), wanted);
    return {
      commit: resolved,
      revision: commit === undefined ? `${wanted}@sha1:${resolved}` : `sha1:${resolved}`,
    };
  }

  /** What an OCIRepository is at: "latest@sha256:…". */
  async #artifact(source: SourceObject): Promise<{ artifact: Artifact; revision: string }> {
    const { url = '', ref = {}, layerSelector } = source.spec;
    const [, repository = '', name = ''] = /^(oci:\/\/.*)\/([^/]+)$/.exec(url.replace(/\/$/, '')) ?? [];
    if (repository === '')
      throw new RenderError(`${JSON.stringify(url)} is no address: give oci://HOST/NAME`);
    const { charts } = this.#parts.context;
    const place = { repository, name, version: ref.semver ?? '', credentials: await this.#login(source) };
    const tag = ref.semver === undefined ? (ref.tag ?? 'latest') : await charts.resolve(place);
    const artifact = await charts.artifact(
      { ...place, version: ref.digest ?? tag },
      layerSelector?.mediaType,
    );
    return { artifact, revision: ref.digest ?? `${tag}@${artifact.digest}` };
  }

  /** What a source of files is at now: its files are fetched when somebody wants them. */
  async files(source: SourceObject): Promise<SourceFiles> {
    const { repositories } = this.#parts;
    if (source.kind === 'GitRepository') {
      const { commit, revision } = await this.gitRevision(source);
      const remote = await this.remote(source);
      return {
        id: commit + ignoreId(source),
        revision,
        tree: async () => withoutIgnored(await repositories.tree(remote, commit), source),
        idOf: async (paths) => (await repositories.contentId(remote, commit, paths)) + ignoreId(source),
      };
    }
    if (source.kind === 'Bucket') return this.#buckets.get(keyOf(source)) ?? this.list(source);
    if (source.kind !== 'OCIRepository')
      throw new SourceNotReady(
        `A ${source.kind} has no manifests: use a GitRepository, an OCIRepository or a Bucket.`,
      );
    const { artifact, revision } = await this.#artifact(source);
    const id = artifact.digest + ignoreId(source);
    const tree = async (): Promise<SourceTree> =>
      withoutIgnored(await repositories.archive(artifact.digest, artifact.fetch), source);
    return { id, revision, tree, idOf: async () => id };
  }

  /** What a bucket has now. Whoever uses it goes by this until it is listed again. */
  async list(source: SourceObject): Promise<SourceFiles> {
    const { revision, fill } = await listBucket(source, await this.#bucketAccess(source));
    const tree = (): Promise<SourceTree> => this.#parts.repositories.files(revision, fill);
    const files = { id: revision, revision, tree, idOf: async () => revision };
    this.#buckets.set(keyOf(source), files);
    return files;
  }

  /** A bucket is not there any more, or is another one. */
  forget({ metadata }: Pick<SourceObject, 'metadata'>): void {
    const place = `${metadata.namespace}/${metadata.name}/`;
    for (const key of this.#buckets.keys()) if (key.startsWith(place)) this.#buckets.delete(key);
  }

  /** Lends files in which nothing is encrypted any more. */
  decrypted<T>(tree: SourceTree, keys: SopsKeys, use: (tree: SourceTree) => Promise<T>): Promise<T> {
    return this.#parts.repositories.decrypted(tree, keys, use);
  }

  /** A chart of a repository of charts, at the newest version that fits. */
  async chart(
    source: SourceObject,
    { name, version }: { name: string; version: string },
  ): Promise<{ place: ChartPlace; version: string }> {
    const url = source.spec.url ?? '';
    // An OCIRepository names the chart itself.
    const isWhole = source.kind === 'OCIRepository';
    const [, base = '', last = ''] = /^(.*)\/([^/]+)$/.exec(url.replace(/\/$/, '')) ?? [];
    const { tag, semver } = source.spec.ref ?? {};
    const place: ChartPlace = {
      repository: isWhole ? base : url,
      name: isWhole ? last : name,
      version: isWhole ? (tag ?? semver ?? '*') : version,
      credentials: await this.#login(source),
    };
    if (!/^(?:https?|oci):\/\//.test(place.repository))
      throw new RenderError(`${JSON.stringify(url)} is no address of a repository of charts`);
    const found = await this.#parts.context.charts.resolve(place);
    return { place: { ...place, version: found }, version: found };
  }

  fetchChart(place: ChartPlace): Promise<Buffer> {
    return this.#parts.context.charts.fetch(place);
  }
}

function keyOf({ metadata }: SourceObject): string {
  return `${metadata.namespace}/${metadata.name}/${metadata.uid}/${metadata.generation}`;
}

/** The login for the host of an address, as clients of registries keep it. */
function dockerLogin(config: string, url: string): { username: string; secret: string } | undefined {
  const host = /^oci:\/\/([^/]+)/.exec(url)?.[1] ?? '';
  try {
    const { auths = {} } = JSON.parse(config) as {
      auths?: Record<string, { auth?: string; username?: string; password?: string }>;
    };
    const found = auths[host] ?? auths[`https://${host}`];
    if (found === undefined) return undefined;
    if (found.auth === undefined) return { username: found.username ?? '', secret: found.password ?? '' };
    const [username = '', ...secret] = Buffer.from(found.auth, 'base64').toString().split(':');
    return { username, secret: secret.join(':') };
  } catch {
    throw new SourceNotReady('The Secret with its login holds no configuration of a registry client.');
  }
}
