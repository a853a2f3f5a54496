import { fromGo, type GoMap, RenderError, Struct, type Value, withMethods } from '../go-template/index.ts';
import { textArg } from '../sprig/arguments.ts';
import { writeYaml } from '../yaml/write.ts';
import type { Chart, ChartMetadata } from './chart.ts';
import { globPattern } from './ignore.ts';

/** What a chart may ask of the cluster that it is for. */
export interface Capabilities {
  kubeVersion: string;
  apiVersions: readonly string[];
}

const HELM_VERSION = 'v3.18.0';

/** `.Files` */
export function filesStruct(files: ReadonlyMap<string, Buffer>): Value {
  return new FilesOf(files).struct();
}

class FilesOf {
  readonly #files: ReadonlyMap<string, Buffer>;

  constructor(files: ReadonlyMap<string, Buffer>) {
    this.#files = files;
  }

  struct(): Struct {
    const files = this.#files;
    const text = (name: Value): string => files.get(String(name))?.toString() ?? '';
    const methods: Record<string, (...args: Value[]) => Value> = {
      Get: text,
      GetBytes: (name) => new Uint8Array(files.get(String(name)) ?? []),
      Glob: (pattern) =>
        new FilesOf(new Map([...files].filter(([name]) => globStars(String(pattern)).test(name)))).struct(),
      Lines: (name) => {
        const found = text(name);
        return found === '' ? [] : found.replace(/\n$/, '').split('\n');
      },
      AsConfig: () => this.#asMap((bytes) => bytes.toString()),
      AsSecrets: () => this.#asMap((bytes) => bytes.toString('base64')),
    };
    const members = new Map([...files].map(([name, bytes]) => [name, new Uint8Array(bytes)]));
    return new Struct('engine.files', members, { methods, isMap: true });
  }

  #asMap(of: (bytes: Buffer) => string): string {
    if (this.#files.size === 0) return '';
    const entries = [...this.#files].map(
      ([name, bytes]) => [name.slice(name.lastIndexOf('/') + 1), of(bytes)] as const,
    );
    return writeYaml(Object.fromEntries(entries)).replace(/\n$/, '');
  }
}

/** Globs of chart files: "**" crosses directories, braces are choices. */
function globStars(pattern: string): RegExp {
  const source = pattern
    .split(/(\*\*\/?|\{[^{}]*\})/)
    .map((part) => {
      if (part === '**/') return '(?:.*/)?';
      if (part === '**') return '.*';
      if (part.startsWith('{'))
        return `(?:${part
          .slice(1, -1)
          .split(',')
          .map((item) => globPattern(item).source.slice(1, -1))
          .join('|')})`;
      return globPattern(part).source.slice(1, -1);
    })
    .join('');
  return new RegExp(`^${source}$`, 's');
}

/** `.Capabilities` */
export function capabilitiesStruct({ kubeVersion, apiVersions }: Capabilities): Value {
  const [, major = '1', minor = '0'] = /^v?(\d+)\.(\d+)/.exec(kubeVersion) ?? [];
  const version = kubeVersion.startsWith('v') ? kubeVersion : `v${kubeVersion}`;
  const kube = new Struct(
    'chartutil.KubeVersion',
    new Map<string, Value>([
      ['Version', version],
      ['Major', major],
      ['Minor', minor],
    ]),
    { text: version, methods: { GitVersion: () => version, String: () => version } },
  );
  const known = new Set(apiVersions);
  const versions = new Struct('chartutil.VersionSet', new Map(), {
    text: `[${apiVersions.join(' ')}]`,
    methods: { Has: (name) => known.has(String(name)) },
  });
  const helm = new Struct(
    'version.BuildInfo',
    new Map<string, Value>([
      ['Version', HELM_VERSION],
      ['GitCommit', ''],
      ['GitTreeState', ''],
      ['GoVersion', ''],
    ]),
  );
  return new Struct(
    '*chartutil.Capabilities',
    new Map<string, Value>([
      ['KubeVersion', kube],
      ['APIVersions', versions],
      ['HelmVersion', helm],
    ]),
  );
}

const FIELDS: readonly (readonly [string, keyof ChartMetadata & string, Value])[] = [
  ['Name', 'name', ''],
  ['Home', 'home', ''],
  ['Sources', 'sources', []],
  ['Version', 'version', ''],
  ['Description', 'description', ''],
  ['Keywords', 'keywords', []],
  ['Maintainers', 'maintainers', []],
  ['Icon', 'icon', ''],
  ['APIVersion', 'apiVersion', ''],
  ['Condition', 'condition', ''],
  ['Tags', 'tags', ''],
  ['AppVersion', 'appVersion', ''],
  ['Deprecated', 'deprecated', false],
  ['Annotations', 'annotations', new Map()],
  ['KubeVersion', 'kubeVersion', ''],
  ['Dependencies', 'dependencies', []],
  ['Type', 'type', ''],
];

/** `.Chart` */
/** The type of values has methods of its own. */
export function valuesMap(values: GoMap): GoMap {
  return withMethods(values, {
    AsMap: () => values,
    YAML: () => writeYaml(fromGo(values)),
    Table: (name) => {
      let found: Value = values;
      for (const key of textArg(name, 0).split('.'))
        found = found instanceof Map ? (found as GoMap).get(key) : undefined;
      if (found instanceof Map) return valuesMap(found as GoMap);
      throw new RenderError(`${JSON.stringify(name)} is not a table`);
    },
  });
}

export function chartStruct({ metadata }: Chart, isRoot: boolean): Value {
  const members = new Map<string, Value>(
    FIELDS.map(([field, key, none]) => [field, memberOf(metadata[key]) ?? none]),
  );
  members.set('IsRoot', isRoot);
  return new Struct('chart.Metadata', members);
}

function memberOf(value: unknown): Value {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map((item: unknown) => (isFields(item) ? structOf(item) : item));
  return isFields(value) ? new Map(Object.entries(value)) : value;
}

function structOf(item: Record<string, unknown>): Value {
  return new Struct(
    '*chart.Maintainer',
    new Map(Object.entries(item).map(([key, value]) => [goName(key), value])),
  );
}

function goName(key: string): string {
  return key === 'url' ? 'URL' : key[0]!.toUpperCase() + key.slice(1);
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
