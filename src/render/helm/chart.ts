import { unpackArchive } from '../archive.ts';
import { RenderError, toGo, type Value } from '../go-template/index.ts';
import { deepCopy } from '../sprig/deep.ts';
import { readYaml } from '../yaml/read.ts';
import { ignoreRules } from './ignore.ts';

export type ChartFiles = ReadonlyMap<string, Buffer>;
export type Values = Map<string, Value>;

export interface Dependency {
  name: string;
  version?: string;
  repository?: string;
  condition?: string;
  tags?: string[];
  enabled?: boolean;
  'import-values'?: unknown[];
  alias?: string;
}

export interface ChartMetadata {
  apiVersion: string;
  name: string;
  version: string;
  type?: string;
  kubeVersion?: string;
  dependencies?: Dependency[];
  [field: string]: unknown;
}

export interface Chart {
  metadata: ChartMetadata;
  values: Values;
  schema: string | undefined;
  templates: { name: string; text: string }[];
  crds: { name: string; text: string }[];
  /** What `.Files` sees. */
  files: Map<string, Buffer>;
  dependencies: Chart[];
}

const MAX_DEPTH = 20;

/** A chart out of the files of its directory. */
export async function loadChart(files: ChartFiles, place: string, depth = 0): Promise<Chart> {
  if (depth > MAX_DEPTH) throw new RenderError(`${place}: charts are nested too deeply`);
  const isIgnored = ignoreRules(files.get('.helmignore')?.toString() ?? '');
  const text = files.get('Chart.yaml')?.toString();
  if (text === undefined) throw new RenderError(`${place} is no chart: there is no Chart.yaml`);
  const metadata = metadataOf(text, files, place);
  const chart: Chart = {
    metadata,
    values: valuesOf(files.get('values.yaml')?.toString() ?? '', `${place}/values.yaml`),
    schema: files.get('values.schema.json')?.toString(),
    templates: [],
    crds: [],
    files: new Map(),
    dependencies: [],
  };
  const nested = new Map<string, Map<string, Buffer>>();
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (isIgnored(name)) continue;
    const inner = /^charts\/([^/]+)\/(.+)$/.exec(name);
    if (inner !== null)
      nested.set(inner[1]!, (nested.get(inner[1]!) ?? new Map<string, Buffer>()).set(inner[2]!, bytes));
    else if (/^charts\/[^/]+\.tgz$/.test(name))
      chart.dependencies.push(await loadChart(await unpackChart(bytes, name), `${place}/${name}`, depth + 1));
    else if (name.startsWith('templates/')) chart.templates.push({ name, text: bytes.toString() });
    else if (name.startsWith('crds/') && /\.(?:ya?ml|json)$/.test(name))
      chart.crds.push({ name, text: bytes.toString() });
    else if (!OWN_FILES.has(name) && !name.startsWith('charts/')) chart.files.set(name, bytes);
    if (name.startsWith('crds/')) chart.files.set(name, bytes);
  }
  for (const [name, contents] of nested) {
    if (/^[._]/.test(name)) continue;
    chart.dependencies.push(await loadChart(contents, `${place}/charts/${name}`, depth + 1));
  }
  return chart;
}

const OWN_FILES = new Set([
  'Chart.yaml',
  'Chart.lock',
  'values.yaml',
  'values.schema.json',
  'requirements.yaml',
  'requirements.lock',
]);

function metadataOf(text: string, files: ChartFiles, place: string): ChartMetadata {
  const found = readYaml(text, `${place}/Chart.yaml`) as Partial<ChartMetadata> | null;
  for (const field of ['apiVersion', 'name', 'version'] as const)
    if (typeof found?.[field] !== 'string' || found[field] === '')
      throw new RenderError(`${place}/Chart.yaml: chart.metadata.${field} is required`);
  const metadata = found as ChartMetadata;
  if (/[/\\]/.test(metadata.name))
    throw new RenderError(`${place}/Chart.yaml: ${JSON.stringify(metadata.name)} is no name of a chart`);
  const requirements = files.get('requirements.yaml')?.toString();
  if (requirements === undefined || metadata.apiVersion !== 'v1') return metadata;
  const { dependencies } = (readYaml(requirements, `${place}/requirements.yaml`) ?? {}) as ChartMetadata;
  return { ...metadata, ...(dependencies && { dependencies }) };
}

export function valuesOf(text: string, file: string): Values {
  const value = toGo(readYaml(text, file) ?? {});
  if (value instanceof Map) return value as Values;
  throw new RenderError(`${file} must hold a map of values`);
}

/** The files of a packed chart, which all lie in one directory. */
export async function unpackChart(archive: Buffer, place: string): Promise<Map<string, Buffer>> {
  const files = await unpackArchive(archive, place);
  return new Map(
    [...files].flatMap(([path, bytes]): [string, Buffer][] => {
      const own = path.split('/').slice(1).join('/');
      return own === '' ? [] : [[own, bytes]];
    }),
  );
}

/** A copy that may be changed; what never changes is shared. */
export function copyChart(chart: Chart): Chart {
  return {
    ...chart,
    metadata: {
      ...chart.metadata,
      ...(chart.metadata.dependencies && {
        dependencies: chart.metadata.dependencies.map((item) => ({ ...item })),
      }),
    },
    values: deepCopy(chart.values) as Values,
    dependencies: chart.dependencies.map(copyChart),
  };
}
