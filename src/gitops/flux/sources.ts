import { type Secret, SECRETS, secretText, unlessGone } from '../../kube/index.ts';
import { RenderError, type SourceTree } from '../../render/index.ts';
import { type Remote, sshLoginOf } from '../../scm/index.ts';
import type { ChartPlace, GitopsContext } from '../context.ts';
import type { RepositoryCredentials } from '../sources/credentials.ts';
import type { Repositories } from '../sources/repositories.ts';
import {
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

/** A source that is not there, or not ready: whoever needs it waits. */
export class SourceNotReady extends Error {}

/** The files and charts that source objects stand for. */
export class FluxSources {
  readonly #parts: SourceParts;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  find({ kind, name, namespace }: SourceReference, from: string): SourceObject {
    const resource = {
      GitRepository: GIT_REPOSITORIES,
      HelmRepository: HELM_REPOSITORIES,
      OCIRepository: OCI_REPOSITORIES,
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
    const password = secretText(secret, 'password') || secretText(secret, 'bearerToken');
    return { username: secretText(secret, 'username'), secret: password };
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

  async tree(source: SourceObject, commit: string): Promise<SourceTree> {
    return this.#parts.repositories.tree(await this.remote(source), commit);
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
