import { fromGo, RenderError } from '../go-template/index.ts';
import type { Manifest } from '../manifest.ts';
import { parseVersion, satisfies } from '../sprig/semver.ts';
import { readAllYaml } from '../yaml/read.ts';
import { type Chart, type ChartMetadata, copyChart } from './chart.ts';
import { coalesceValues } from './coalesce.ts';
import { processDependencies } from './dependencies.ts';
import { type Release, renderTemplates } from './engine.ts';
import type { Capabilities } from './objects.ts';
import { checkSchemas } from './schema.ts';
import { gatherValues, type ValueSources } from './values.ts';

export interface HelmOptions {
  release: Release;
  values: ValueSources;
  capabilities: Capabilities;
  skipCrds?: boolean;
  skipTests?: boolean;
  skipSchemaValidation?: boolean;
  now: () => number;
}

/** A chart as releases keep it: without those that it depends on. */
export interface ReleasedChart {
  metadata: ChartMetadata;
  /** Contents in Base64. */
  templates: { name: string; data: string }[];
  files: { name: string; data: string }[];
  values: object;
}

export interface HelmResult {
  manifests: Manifest[];
  notes: string;
  /** What the release was made of: the chart, and what was given over its values. */
  source: () => { chart: ReleasedChart; config: object };
}

const HOOK = 'helm.sh/hook';

/** Everything that a chart makes with some values. */
export function renderChart(original: Chart, options: HelmOptions): HelmResult {
  const chart = copyChart(original);
  const { release, capabilities, now } = options;
  checkKubeVersion(chart, capabilities.kubeVersion);
  if (chart.metadata.type === 'library')
    throw new RenderError(`${chart.metadata.name} is a library chart: it cannot be installed by itself`);
  checkComplete(chart);
  const given = gatherValues(options.values);
  processDependencies(chart, given);
  const values = coalesceValues(chart, given);
  if (!options.skipSchemaValidation) checkSchemas(chart, values);
  const rendered = renderTemplates(chart, values, { release, capabilities, now });
  const crds = options.skipCrds ? [] : crdsOf(chart, chart.metadata.name);
  const notes = rendered.get(`${chart.metadata.name}/templates/NOTES.txt`) ?? '';
  const manifests = [...rendered]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, text]) => (name.endsWith('NOTES.txt') ? [] : manifestsOf(text, name)));
  return {
    manifests: [...crds, ...manifests.filter((item) => !options.skipTests || !isTest(item))],
    notes,
    source: () => ({
      chart: releasedChart(original),
      config: fromGo(gatherValues(options.values)) as object,
    }),
  };
}

/** Whether it is what a chart has to see whether it works. */
export function isTest({ object }: Manifest): boolean {
  return /(?:^|,)\s*test(?:-success|-failure)?\s*(?:,|$)/.test(object.metadata?.annotations?.[HOOK] ?? '');
}

function releasedChart({ metadata, templates, files, values }: Chart): ReleasedChart {
  const packed = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64');
  return {
    metadata,
    templates: templates.map(({ name, text }) => ({ name, data: packed(text) })),
    files: [...files].map(([name, bytes]) => ({ name, data: packed(bytes) })),
    values: fromGo(values) as object,
  };
}

function checkKubeVersion(chart: Chart, kubeVersion: string): void {
  const wanted = chart.metadata.kubeVersion;
  const version = parseVersion(kubeVersion);
  if (wanted === undefined || wanted === '' || version === undefined) return;
  if (!satisfies(wanted, { ...version, pre: '' }))
    throw new RenderError(
      `chart requires kubeVersion: ${wanted} which is incompatible with Kubernetes ${kubeVersion}`,
    );
}

function checkComplete(chart: Chart): void {
  const missing = (chart.metadata.dependencies ?? []).filter(
    ({ name }) => !chart.dependencies.some(({ metadata }) => metadata.name === name),
  );
  if (missing.length > 0)
    throw new RenderError(
      `${chart.metadata.name} depends on ${missing.map(({ name }) => name).join(', ')}, which its charts/ directory does not have`,
    );
}

function crdsOf(chart: Chart, path: string): Manifest[] {
  return [
    ...chart.crds.flatMap(({ name, text }) => manifestsOf(text, `${path}/${name}`)),
    ...chart.dependencies.flatMap((child) => crdsOf(child, `${path}/charts/${child.metadata.name}`)),
  ];
}

function manifestsOf(text: string, file: string): Manifest[] {
  if (text.trim() === '') return [];
  // Helm takes three dashes for the end of a document whatever follows them.
  const documents = text.replaceAll(/^---[ \t]*(?=[^\s-])/gm, '---\n');
  return readAllYaml(documents, file).map((object) => ({ object: object as Manifest['object'], file }));
}
