import { parse as parseToml, stringify as writeToml } from 'smol-toml';
import {
  EndlessError,
  fromGo,
  RenderError,
  type TemplateFunction,
  TemplateSet,
  toGo,
  type Value,
} from '../go-template/index.ts';
import { sprig } from '../sprig/index.ts';
import { ChartRefusal } from '../sprig/reflection.ts';
import type { Chart, Values } from './chart.ts';
import { type Capabilities, capabilitiesStruct, chartStruct, filesStruct, valuesMap } from './objects.ts';

export interface Release {
  name: string;
  namespace: string;
  revision?: number;
  isUpgrade?: boolean;
}

/** Helm allows 1000; the stack of this engine ends earlier. */
const MAX_INCLUDES = 250;
const NO_VALUE = '<no value>';
const TPL_NAME = 'gotpl';

interface Scope {
  name: string;
  text: string;
  scope: Values;
  basePath: string;
}

/** Every file that the templates of a chart make, by the path of its template. */
export function renderTemplates(
  chart: Chart,
  values: Values,
  { release, capabilities, now }: { release: Release; capabilities: Capabilities; now: () => number },
): Map<string, string> {
  const top: Values = new Map<string, Value>([
    ['Chart', chartStruct(chart, true)],
    ['Capabilities', capabilitiesStruct(capabilities)],
    ['Release', releaseOf(release)],
    ['Values', valuesMap(values)],
    ['Files', filesStruct(chart.files)],
  ]);
  const scopes: Scope[] = [];
  collect(chart, { path: chart.metadata.name, top }, scopes);
  // Outer templates are read last: they win over those of the same name further in.
  scopes.sort((a, b) => depthOf(b.name) - depthOf(a.name) || (a.name < b.name ? 1 : -1));
  const functions = sprig(now);
  const set = new TemplateSet({ functions: (own) => callers(functions, own, new Map()) });
  for (const { name, text } of scopes) addTo(set, name, text);
  const out = new Map<string, string>();
  for (const { name, scope, basePath } of scopes) {
    if (name.slice(name.lastIndexOf('/') + 1).startsWith('_')) continue;
    scope.set(
      'Template',
      new Map([
        ['Name', name],
        ['BasePath', basePath],
      ]),
    );
    out.set(name, renderIn(set, name, scope).replaceAll(NO_VALUE, ''));
  }
  return out;
}

function addTo(set: TemplateSet, name: string, text: string): void {
  try {
    set.add(name, text);
  } catch (error) {
    throw new RenderError(
      (error as Error).message.replace(/^template: (.*?:\d+): /, 'parse error at ($1): '),
      {
        cause: error,
      },
    );
  }
}

/** What a chart itself refuses is told without the machinery around it. */
function renderIn(set: TemplateSet, name: string, scope: Values): string {
  try {
    return set.render(name, scope);
  } catch (error) {
    let inner: unknown = error;
    while (inner instanceof Error && !(inner instanceof ChartRefusal)) inner = inner.cause;
    if (!(inner instanceof ChartRefusal)) throw error;
    const places = /template: ([^\s:]+:\d+:\d+):/.exec((error as Error).message);
    throw new RenderError(`execution error at (${places?.[1] ?? name}): ${inner.message}`, {
      cause: error,
    });
  }
}

function depthOf(path: string): number {
  return path.split('/').length;
}

function releaseOf({ name, namespace, revision = 1, isUpgrade = false }: Release): Values {
  return new Map<string, Value>([
    ['Name', name],
    ['Namespace', namespace],
    ['IsUpgrade', isUpgrade],
    ['IsInstall', !isUpgrade],
    ['Revision', BigInt(revision)],
    ['Service', 'Helm'],
  ]);
}

/** The templates of a chart and of those in it, each with what it may see. */
function collect(chart: Chart, at: { path: string; top: Values }, scopes: Scope[]): Values {
  const { path, top } = at;
  const scope: Values = new Map(top);
  const inner = new Map<string, Value>();
  for (const child of chart.dependencies) {
    const { name } = child.metadata;
    const values = (top.get('Values') as Values).get(name);
    const below: Values = new Map<string, Value>([
      ['Chart', chartStruct(child, false)],
      ['Files', filesStruct(child.files)],
      ['Release', top.get('Release')],
      ['Capabilities', top.get('Capabilities')],
      ['Values', valuesMap(values instanceof Map ? values : new Map())],
    ]);
    inner.set(name, collect(child, { path: `${path}/charts/${name}`, top: below }, scopes));
  }
  scope.set('Subcharts', inner);
  for (const { name, text } of chart.templates) {
    // Of a library only what others can call is taken.
    if (chart.metadata.type === 'library' && !name.slice(name.lastIndexOf('/') + 1).startsWith('_')) continue;
    scopes.push({ name: `${path}/${name}`, text, scope, basePath: `${path}/templates` });
  }
  return scope;
}

/** Functions that call other templates of the same set. */
function callers(
  functions: Readonly<Record<string, TemplateFunction>>,
  set: TemplateSet,
  including: Map<string, number>,
): Readonly<Record<string, TemplateFunction>> {
  const include: TemplateFunction = (name, data) => {
    const key = String(name);
    const depth = including.get(key) ?? 0;
    if (depth > MAX_INCLUDES)
      throw new EndlessError(
        `unable to execute template: rendering template has a nested reference name: ${key}`,
      );
    including.set(key, depth + 1);
    try {
      return set.render(key, data);
    } finally {
      including.set(key, depth);
    }
  };
  const tpl: TemplateFunction = (text, data) => {
    const source = String(text);
    // Most values that pass through here hold no action at all.
    if (!source.includes('{{')) return source;
    const copy = set.copy((own) => callers(functions, own, including));
    try {
      copy.add(TPL_NAME, source);
    } catch (error) {
      throw failed(`cannot parse template ${JSON.stringify(source)}`, error);
    }
    try {
      return copy.render(TPL_NAME, data).replaceAll(NO_VALUE, '');
    } catch (error) {
      throw failed(`error during tpl function execution for ${JSON.stringify(source)}`, error);
    }
  };
  return { ...functions, ...OWN, include, tpl };
}

function failed(what: string, error: unknown): RenderError {
  if (error instanceof EndlessError) return error;
  return new RenderError(`${what}: ${(error as Error).message}`, { cause: error });
}

const OWN: Readonly<Record<string, TemplateFunction>> = {
  required: (message, value) => {
    if (value === null || value === undefined || value === '') throw new ChartRefusal(String(message));
    return value;
  },
  /** A rendering sees no cluster: nothing is found, as in a dry run. */
  lookup: () => new Map(),
  toToml: (value) => writeToml(fromGo(value) as object),
  fromToml: (text) => {
    try {
      return toGo(parseToml(String(text)));
    } catch (error) {
      return new Map([['Error', (error as Error).message]]);
    }
  },
};
