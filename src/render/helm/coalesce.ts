import type { Value } from '../go-template/index.ts';
import { RenderError } from '../go-template/index.ts';
import { deepCopy } from '../sprig/deep.ts';
import type { Chart, Values } from './chart.ts';

/** What is given over what a chart has by itself, with null taking a default away, down to every chart in it. */
export function coalesceValues(chart: Chart, given: Values): Values {
  return coalesce(chart, deepCopy(given) as Values, false);
}

/** The same, but null stays, so that charts further in can still see it. */
export function mergeValues(chart: Chart, given: Values): Values {
  return coalesce(chart, deepCopy(given) as Values, true);
}

function isTable(value: Value): value is Values {
  return value instanceof Map;
}

function coalesce(chart: Chart, into: Values, keepsNull: boolean): Values {
  ownValues(chart, into, keepsNull);
  for (const inner of chart.dependencies) {
    const { name } = inner.metadata;
    if (!into.has(name)) into.set(name, new Map());
    const table = into.get(name);
    if (!isTable(table))
      throw new RenderError(`type mismatch on ${name}: the values of a chart must be a map`);
    globals(table, into, keepsNull);
    into.set(name, coalesce(inner, table, keepsNull));
  }
  return into;
}

function globals(into: Values, from: Values, keepsNull: boolean): void {
  const own = into.get('global') ?? new Map<string, Value>();
  const above = from.get('global') ?? new Map<string, Value>();
  if (!isTable(own) || !isTable(above)) return;
  for (const [key, value] of above) {
    const known = own.get(key);
    if (isTable(value)) {
      const copy = new Map(value);
      if (isTable(known)) own.set(key, coalesceTables(copy, known, keepsNull));
      else if (!own.has(key)) own.set(key, copy);
    } else if (!isTable(known)) own.set(key, value);
  }
  into.set('global', own);
}

function ownValues(chart: Chart, into: Values, keepsNull: boolean): void {
  for (const [key, value] of deepCopy(chart.values) as Values) {
    if (!into.has(key)) {
      into.set(key, value);
      continue;
    }
    const given = into.get(key);
    if ((given === null || given === undefined) && !keepsNull) into.delete(key);
    else if (isTable(given) && isTable(value)) {
      const isChart = chart.dependencies.some(({ metadata }) => metadata.name === key);
      coalesceTables(given, value, keepsNull || isChart);
    }
  }
}

/** What is in the first stays; the second fills up. */
export function coalesceTables(into: Values, from: Values, keepsNull: boolean): Values {
  for (const [key, value] of into)
    if ((value === null || value === undefined) && from.has(key)) from.set(key, null);
  for (const [key, value] of from) {
    const known = into.get(key);
    if (!into.has(key)) into.set(key, value);
    else if ((known === null || known === undefined) && !keepsNull) into.delete(key);
    else if (isTable(value) && isTable(known)) coalesceTables(known, value, keepsNull);
  }
  return into;
}
