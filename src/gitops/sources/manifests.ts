import {
  type Manifest,
  type RenderOptions,
  type SourceTree,
  RenderError,
  normal,
} from '../../render/index.ts';
import type { Remote } from '../../scm/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { ChartPlace, GitopsContext } from '../context.ts';
import {
  type Application,
  type ApplicationSource,
  type HelmSettings,
  type KustomizeSettings,
  NOTES,
  sourcesOf,
} from '../resources.ts';
import type { RepositoryCredentials } from './credentials.ts';
import type { Repositories } from './repositories.ts';

export interface RenderedSources {
  manifests: Manifest[];
  /** A commit, or a version of a chart, for each source. */
  revisions: string[];
  sourceType: string;
}

interface OpenSource {
  source: ApplicationSource;
  revision: string;
  tree: SourceTree | undefined;
}

/** From the sources of an application to its manifests. */
export class ManifestSource {
  readonly #context: GitopsContext;
  readonly repositories: Repositories;
  readonly credentials: RepositoryCredentials;

  constructor(context: GitopsContext, repositories: Repositories, credentials: RepositoryCredentials) {
    this.#context = context;
    this.repositories = repositories;
    this.credentials = credentials;
  }

  async remoteOf(app: Application, source: ApplicationSource): Promise<Remote> {
    const { namespace = '', annotations } = app.metadata;
    const found = await this.credentials.source(source.repoURL, {
      namespace,
      account: annotations?.[NOTES.account],
      secret: annotations?.[NOTES.secret],
    });
    return found.remote;
  }

  /** What each source is at now. */
  async revisions(app: Application, overrides?: readonly string[]): Promise<string[]> {
    return Promise.all(
      sourcesOf(app).map(async (source, at) => {
        const wanted = overrides?.[at] ?? source.targetRevision ?? 'HEAD';
        if (source.chart !== undefined)
          return this.#context.charts.resolve(this.#chartPlace(app, source, wanted));
        return this.repositories.resolve(await this.remoteOf(app, source), wanted);
      }),
    );
  }

  #chartPlace(app: Application, { repoURL, chart = '' }: ApplicationSource, version: string): ChartPlace {
    const repository = /^\w+:\/\//.test(repoURL) ? repoURL : `oci://${repoURL}`;
    const credentials = this.credentials.login(
      repository.replace(/^oci:/, 'https:'),
      app.metadata.namespace ?? '',
    );
    return { repository, name: chart, version, credentials };
  }

  async render(app: Application, revisions: readonly string[], cluster: Cluster): Promise<RenderedSources> {
    const open = await Promise.all(
      sourcesOf(app).map(async (source, at): Promise<OpenSource> => {
        const revision = revisions[at]!;
        if (source.chart !== undefined) return { source, revision, tree: undefined };
        return {
          source,
          revision,
          tree: await this.repositories.tree(await this.remoteOf(app, source), revision),
        };
      }),
    );
    const manifests: Manifest[] = [];
    for (const item of open) {
      // A source that others refer to and that names no path has values only.
      if (item.source.ref !== undefined && item.source.path === undefined && item.source.chart === undefined)
        continue;
      manifests.push(...(await this.#renderOne(app, item, open, cluster)));
    }
    return { manifests, revisions: [...revisions], sourceType: typeOf(open) };
  }

  async #renderOne(
    app: Application,
    { source, revision, tree }: OpenSource,
    all: readonly OpenSource[],
    cluster: Cluster,
  ): Promise<Manifest[]> {
    const { renderer, charts } = this.#context;
    const options = await optionsOf(app, source, { revision, capabilities: await cluster.capabilities() });
    const helm = { ...options.helm };
    const files = await referredValues(helm.valueFiles ?? [], all);
    if (files.own !== undefined) {
      helm.valueFiles = files.own;
      helm.values = { ...helm.values, files: [...files.referred, ...(helm.values?.files ?? [])] };
    }
    const setFile = await fileParameters({ source, revision, tree }, all);
    if (setFile.length > 0) helm.values = { ...helm.values, setFile };
    if (source.chart !== undefined) {
      const archive = await charts.fetch(this.#chartPlace(app, source, revision));
      return (await renderer.packedChart(archive, helm, options.capabilities, async () => undefined))
        .manifests;
    }
    return renderer.render(tree!, { ...options, helm });
  }
}

function typeOf(open: readonly OpenSource[]): string {
  const [first] = open;
  if (first?.source.chart !== undefined || first?.source.helm !== undefined) return 'Helm';
  return first?.source.kustomize === undefined ? 'Directory' : 'Kustomize';
}

async function referredValues(
  names: readonly string[],
  all: readonly OpenSource[],
): Promise<{ own: string[] | undefined; referred: { name: string; text: string }[] }> {
  if (!names.some((name) => name.startsWith('$'))) return { own: undefined, referred: [] };
  const referred: { name: string; text: string }[] = [];
  for (const name of names.filter((item) => item.startsWith('$'))) {
    const text = await referredText(name, all);
    if (text === undefined) throw new RenderError(`there is no values file ${name}`);
    referred.push({ name, text });
  }
  return { own: names.filter((name) => !name.startsWith('$')), referred };
}

/** Values that are the contents of files: beside the chart, from the top ("/…"), or of another source ("$ref/…"). */
async function fileParameters(
  { source, tree }: OpenSource,
  all: readonly OpenSource[],
): Promise<{ name: string; text: string }[]> {
  return Promise.all(
    (source.helm?.fileParameters ?? []).map(async ({ name, path }) => {
      const place = path.startsWith('/') ? path : `${source.path ?? '.'}/${path}`;
      const text = path.startsWith('$') ? await referredText(path, all) : await tree?.text(normal(place));
      if (text === undefined) throw new RenderError(`there is no file ${path} for the parameter ${name}`);
      return { name, text };
    }),
  );
}

/** "$values/prod.yaml" is a file of the source with that ref. */
function referredText(name: string, all: readonly OpenSource[]): Promise<string | undefined> {
  const [ref = '', ...rest] = name.slice(1).split('/');
  const from = all.find(({ source }) => source.ref === ref);
  return from?.tree?.text(normal(rest.join('/'))) ?? Promise.resolve(undefined);
}

async function optionsOf(
  app: Application,
  source: ApplicationSource,
  { revision, capabilities }: { revision: string; capabilities: RenderOptions['capabilities'] },
): Promise<RenderOptions> {
  const namespace = app.spec.destination.namespace ?? app.metadata.namespace ?? '';
  const known: Record<string, string> = {
    ARGOCD_APP_NAME: app.metadata.name ?? '',
    ARGOCD_APP_NAMESPACE: namespace,
    ARGOCD_APP_REVISION: revision,
    ARGOCD_APP_REVISION_SHORT: revision.slice(0, 7),
    ARGOCD_APP_SOURCE_PATH: source.path ?? '.',
    ARGOCD_APP_SOURCE_REPO_URL: source.repoURL,
    ARGOCD_APP_SOURCE_TARGET_REVISION: source.targetRevision ?? '',
  };
  const fill = (text: string): string =>
    text.replaceAll(/\$\$|\$\{?(ARGOCD_APP_\w+)\}?/g, (whole, name?: string) =>
      name === undefined ? whole : (known[name] ?? whole),
    );
  const { helm = {}, kustomize, directory } = source;
  const type =
    source.helm !== undefined
      ? undefined
      : kustomize !== undefined
        ? ('kustomize' as const)
        : directory === undefined
          ? undefined
          : ('directory' as const);
  return {
    path: source.path ?? '.',
    type,
    ...(directory && { directory }),
    ...(kustomize && { kustomize: kustomizeOptions(kustomize) }),
    capabilities: {
      kubeVersion: helm.kubeVersion ?? capabilities.kubeVersion,
      apiVersions: helm.apiVersions ?? capabilities.apiVersions,
    },
    helm: helmOptions(helm, { name: app.metadata.name ?? '', namespace, fill }),
  };
}

function helmOptions(
  helm: HelmSettings,
  { name, namespace, fill }: { name: string; namespace: string; fill: (text: string) => string },
): RenderOptions['helm'] {
  const assigned = (force: boolean): string[] =>
    (helm.parameters ?? [])
      .filter(({ forceString }) => (forceString ?? false) === force)
      .map((item) => `${item.name}=${fill(item.value).replaceAll(/[,\\]/g, '\\$&')}`);
  return {
    release: { name: helm.releaseName ?? name, namespace: helm.namespace ?? namespace },
    valueFiles: (helm.valueFiles ?? []).map(fill),
    ...(helm.ignoreMissingValueFiles && { ignoreMissingValueFiles: true }),
    ...(helm.skipCrds && { skipCrds: true }),
    ...(helm.skipTests && { skipTests: true }),
    ...(helm.skipSchemaValidation && { skipSchemaValidation: true }),
    values: {
      ...(helm.values !== undefined &&
        helm.valuesObject === undefined && { files: [{ name: 'values', text: fill(helm.values) }] }),
      ...(helm.valuesObject !== undefined && { object: helm.valuesObject }),
      set: assigned(false),
      setString: assigned(true),
    },
  };
}

function kustomizeOptions(settings: KustomizeSettings): NonNullable<RenderOptions['kustomize']> {
  const { images, replicas, ...rest } = settings;
  return {
    ...rest,
    ...(images && { images: images.map(imageOf) }),
    ...(replicas && { replicas: replicas.map(({ name, count }) => ({ name, count: Number(count) })) }),
  };
}

/** "name=new:tag", "name:tag" or "name@digest". */
function imageOf(text: string): { name: string; newName?: string; newTag?: string; digest?: string } {
  const at = text.indexOf('=');
  const target = at < 0 ? text : text.slice(at + 1);
  const [, repository = target, tag, digest] = /^(.+?)(?::([^:/@]+))?(?:@(.+))?$/.exec(target) ?? [];
  return {
    name: at < 0 ? repository : text.slice(0, at),
    ...(at >= 0 && { newName: repository }),
    ...(tag !== undefined && { newTag: tag }),
    ...(digest !== undefined && { digest }),
  };
}
