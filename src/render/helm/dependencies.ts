import { RenderError, type Value } from '../go-template/index.ts';
import { parseVersion, satisfies } from '../sprig/semver.ts';
import { deepCopy } from '../sprig/deep.ts';
import type { Chart, Dependency, Values } from './chart.ts';
import { coalesceTables, coalesceValues, mergeValues } from './coalesce.ts';

/** Leaves out the charts that conditions and tags switch off, gives others their other names, and takes values over. */
export function processDependencies(chart: Chart, given: Values): void {
  enableDependencies(chart, given, '');
  importValues(chart);
}

function fits(range: string | undefined, version: string): boolean {
  if (range === undefined || range === '') return true;
  const parsed = parseVersion(version);
  try {
    return parsed !== undefined && satisfies(range, parsed);
  } catch {
    return false;
  }
}

function enableDependencies(chart: Chart, given: Values, path: string): void {
  const wanted = chart.metadata.dependencies;
  if (wanted === undefined || wanted.length === 0) {
    // Charts that nobody asks for are there nevertheless.
    const values = coalesceValues(chart, given);
    for (const inner of chart.dependencies)
      enableDependencies(inner, values, `${path}${inner.metadata.name}.`);
    return;
  }
  const unasked = chart.dependencies.filter(
    ({ metadata }) =>
      !wanted.some((item) => item.name === metadata.name && fits(item.version, metadata.version)),
  );
  const found: Chart[] = [...unasked];
  for (const item of wanted) {
    const inner = chart.dependencies.find(
      ({ metadata }) => metadata.name === item.name && fits(item.version, metadata.version),
    );
    if (inner !== undefined)
      found.push(item.alias ? { ...inner, metadata: { ...inner.metadata, name: item.alias } } : inner);
    if (item.alias) item.name = item.alias;
    item.enabled = true;
  }
  chart.dependencies = found;
  const values = coalesceValues(chart, given);
  for (const item of wanted) {
    applyTags(item, values);
    applyCondition(item, values, path);
  }
  const off = new Set(wanted.filter(({ enabled }) => enabled === false).map(({ name }) => name));
  chart.dependencies = found.filter(({ metadata }) => !off.has(metadata.name));
  chart.metadata = { ...chart.metadata, dependencies: wanted.filter(({ name }) => !off.has(name)) };
  for (const inner of chart.dependencies) enableDependencies(inner, values, `${path}${inner.metadata.name}.`);
}

function applyTags(item: Dependency, values: Values): void {
  const tags = values.get('tags');
  const set = (item.tags ?? []).map((tag) => (tags instanceof Map ? (tags as Values).get(tag) : undefined));
  if (set.includes(false) && !set.includes(true)) item.enabled = false;
}

/** The first condition that names a boolean decides, whatever the tags say. */
function applyCondition(item: Dependency, values: Values, path: string): void {
  for (const condition of (item.condition ?? '').trim().split(',')) {
    if (condition === '') continue;
    const value = valueAt(values, path + condition.trim());
    if (typeof value !== 'boolean') continue;
    item.enabled = value;
    return;
  }
}

function valueAt(values: Values, path: string): Value {
  let value: Value = values;
  for (const part of path.split('.')) value = value instanceof Map ? (value as Values).get(part) : undefined;
  return value;
}

function importValues(chart: Chart): void {
  for (const inner of chart.dependencies) importValues(inner);
  const wanted = chart.metadata.dependencies;
  if (wanted === undefined || wanted.length === 0) return;
  const values = mergeValues(chart, chart.values);
  let imported: Values = new Map();
  for (const item of wanted)
    for (const rule of item['import-values'] ?? []) {
      const { child, parent } = placeOf(rule, item.name);
      const table = valueAt(values, `${item.name}.${child}`);
      if (!(table instanceof Map)) continue;
      imported = coalesceTables(imported, atPath(parent, deepCopy(table) as Values), true);
    }
  chart.values = coalesceTables(deepCopy(values) as Values, imported, true);
}

function placeOf(rule: unknown, name: string): { child: string; parent: string } {
  if (typeof rule === 'string') return { child: `exports.${rule}`, parent: '.' };
  const { child, parent } = (rule ?? {}) as { child?: unknown; parent?: unknown };
  if (typeof child !== 'string' || typeof parent !== 'string')
    throw new RenderError(`import-values of ${name} must be names, or maps with child and parent`);
  return { child, parent };
}

function atPath(path: string, table: Values): Values {
  if (path === '.') return table;
  return path
    .split('.')
    .reverse()
    .reduce<Values>((inner, part) => new Map([[part, inner]]), table);
}
