import { type DirectoryOptions, renderDirectory } from './directory.ts';
import { RenderError } from './go-template/index.ts';
import { type Chart, type ChartFiles, type Dependency, loadChart, unpackChart } from './helm/chart.ts';
import type { Release } from './helm/engine.ts';
import type { Capabilities } from './helm/objects.ts';
import { type HelmResult, renderChart } from './helm/render.ts';
import type { ValueSources } from './helm/values.ts';
import { type KustomizeOptions, kustomizationOf, kustomizeManifests, renderKustomize } from './kustomize.ts';
import { checkManifests, type Manifest } from './manifest.ts';
import { normal, type SourceTree } from './source-tree.ts';

export interface HelmSource {
  release: Release;
  /** Files of values, by their paths in the repository. */
  valueFiles?: readonly string[];
  /** Texts of values, over those of the files. */
  values?: ValueSources;
  ignoreMissingValueFiles?: boolean;
  skipCrds?: boolean;
  skipTests?: boolean;
  skipSchemaValidation?: boolean;
}

export interface RenderOptions {
  path: string;
  /** What it is, where its files do not tell. */
  type?: 'directory' | 'kustomize' | 'helm' | undefined;
  directory?: DirectoryOptions;
  kustomize?: KustomizeOptions;
  helm: HelmSource;
  capabilities: Capabilities;
}

export interface RenderTools {
  path: string;
  scratchDir: string;
  now: () => number;
  /** A packed chart of a repository of charts. */
  fetchChart?: (chart: { repository: string; name: string; version: string }) => Promise<Buffer>;
}

/** From files to objects: the same for syncing, comparing and planning. */
export class Renderer {
  readonly #tools: RenderTools;

  constructor(tools: RenderTools) {
    this.#tools = tools;
  }

  async render(tree: SourceTree, options: RenderOptions): Promise<Manifest[]> {
    const path = normal(options.path);
    if (path !== '' && !(await tree.isDirectory(path)))
      throw new RenderError(`there is no directory ${path} in the repository`);
    switch (options.type ?? (await kindOf(tree, path))) {
      case 'helm':
        return (await this.helm(tree, { ...options, path })).manifests;
      case 'kustomize':
        return renderKustomize(tree, path, options.kustomize ?? {}, this.#tools);
      default:
        return renderDirectory(tree, path, options.directory ?? {});
    }
  }

  /** Objects that were made otherwise, with what a kustomization changes about them. */
  kustomized(manifests: readonly Manifest[], options: KustomizeOptions): Promise<Manifest[]> {
    return kustomizeManifests(manifests, options, this.#tools);
  }

  async helm(tree: SourceTree, { path, helm, capabilities }: RenderOptions): Promise<HelmResult> {
    const files = await tree.contents(path);
    return this.#renderChart(
      await loadChart(files, path === '' ? 'the repository' : path),
      helm,
      capabilities,
      async (file) =>
        tree.text(file.startsWith('/') ? file.slice(1) : path === '' ? file : `${path}/${file}`),
    );
  }

  /** A chart that comes packed, with files of values that are read from elsewhere. */
  async packedChart(
    archive: Buffer,
    helm: HelmSource,
    capabilities: Capabilities,
    readValues: (file: string) => Promise<string | undefined>,
  ): Promise<HelmResult> {
    const files = await unpackChart(archive, helm.release.name);
    return this.#renderChart(
      await loadChart(files, helm.release.name),
      helm,
      capabilities,
      async (file) => (await readValues(file)) ?? files.get(file)?.toString(),
    );
  }

  async #renderChart(
    loaded: Chart,
    helm: HelmSource,
    capabilities: Capabilities,
    read: (file: string) => Promise<string | undefined>,
  ): Promise<HelmResult> {
    const chart = await this.#complete(loaded);
    const files: { name: string; text: string }[] = [];
    for (const name of helm.valueFiles ?? []) {
      if (/^\w+:\/\//.test(name))
        throw new RenderError(`${name} is at another place: values are read from the repository only`);
      const text = await read(name);
      if (text !== undefined) files.push({ name, text });
      else if (!helm.ignoreMissingValueFiles) throw new RenderError(`there is no values file ${name}`);
    }
    const { release, values, skipCrds, skipTests, skipSchemaValidation } = helm;
    const result = renderChart(chart, {
      release,
      values: { ...values, files: [...files, ...(values?.files ?? [])] },
      capabilities,
      ...(skipCrds && { skipCrds }),
      ...(skipTests && { skipTests }),
      ...(skipSchemaValidation && { skipSchemaValidation }),
      now: this.#tools.now,
    });
    return { ...result, manifests: checkManifests(result.manifests) };
  }

  /** Fetches the charts that a chart depends on and does not bring along. */
  async #complete(chart: Chart): Promise<Chart> {
    const { fetchChart } = this.#tools;
    const missing = (chart.metadata.dependencies ?? []).filter(
      ({ name, repository }) =>
        repository !== undefined &&
        /^(?:https?|oci):/.test(repository) &&
        !chart.dependencies.some(({ metadata }) => metadata.name === name),
    );
    if (missing.length === 0 || fetchChart === undefined) return chart;
    const fetched = await Promise.all(missing.map((item) => this.#fetch(item, fetchChart)));
    return { ...chart, dependencies: [...chart.dependencies, ...fetched] };
  }

  async #fetch(
    { name, version = '*', repository = '' }: Dependency,
    fetchChart: NonNullable<RenderTools['fetchChart']>,
  ): Promise<Chart> {
    const files: ChartFiles = await unpackChart(await fetchChart({ repository, name, version }), name);
    return this.#complete(await loadChart(files, name));
  }
}

async function kindOf(tree: SourceTree, path: string): Promise<'directory' | 'kustomize' | 'helm'> {
  if ((await tree.read(path === '' ? 'Chart.yaml' : `${path}/Chart.yaml`)) !== undefined) return 'helm';
  return (await kustomizationOf(tree, path)) === undefined ? 'directory' : 'kustomize';
}
