import { isRecord, type KubeObject } from '../../kube/index.ts';
import type { Column } from './resource.ts';

type Cell = Column['cell'];

/** Reads a dotted path; absent is undefined. */
export function at(object: unknown, path: string): unknown {
  let value: unknown = object;
  for (const key of path.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

export function textAt(object: unknown, path: string): string | undefined {
  const value = at(object, path);
  return value === undefined || value === null ? undefined : String(value);
}

export function numberAt(object: unknown, path: string): number {
  const value = at(object, path);
  return typeof value === 'number' ? value : 0;
}

export function listAt(object: unknown, path: string): unknown[] {
  const value = at(object, path);
  return Array.isArray(value) ? value : [];
}

export const NAME_COLUMN: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name, unique in its namespace and kind.',
  priority: 0,
  cell: (object) => object.metadata.name ?? '',
};

export const AGE_COLUMN: Column = {
  name: 'Age',
  type: 'string',
  description: 'Time since the object was created.',
  priority: 0,
  cell: (object, now) => age(object.metadata.creationTimestamp ?? undefined, now),
};

export function column(
  name: string,
  cell: Cell | string,
  options: { wide?: boolean; type?: Column['type'] } = {},
): Column {
  return {
    name,
    type: options.type ?? 'string',
    description: `${name} of the object.`,
    priority: options.wide ? 1 : 0,
    cell: typeof cell === 'string' ? (object) => textAt(object, cell) ?? '' : cell,
  };
}

export function count(name: string, path: string): Column {
  return column(name, (object) => numberAt(object, path), { type: 'integer' });
}

/** How long ago, in the short form of kubectl: 5s, 3m12s, 2h, 4d. */
export function age(timestamp: string | undefined, now: number): string {
  if (timestamp === undefined) return '<unknown>';
  const then = Date.parse(timestamp);
  return Number.isNaN(then) ? '<invalid>' : duration((now - then) / 1000);
}

export function duration(total: number): string {
  const seconds = Math.trunc(total);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 192) return two(Math.trunc(hours / 24), 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24)}d`;
  if (hours < 24 * 365 * 8) return two(Math.trunc(hours / 24 / 365), 'y', Math.trunc(hours / 24) % 365, 'd');
  return `${Math.trunc(hours / 24 / 365)}y`;
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}

/** A label selector in the form that people write. */
export function selectorText(selector: unknown): string {
  if (!isRecord(selector)) return '<none>';
  const structured = 'matchLabels' in selector || 'matchExpressions' in selector;
  const labels = structured ? selector['matchLabels'] : selector;
  const terms = isRecord(labels)
    ? Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`)
    : [];
  for (const item of structured ? listAt(selector, 'matchExpressions') : []) terms.push(expressionText(item));
  return terms.length === 0 ? '<none>' : terms.join(',');
}

function expressionText(item: unknown): string {
  const key = textAt(item, 'key') ?? '';
  const values = listAt(item, 'values').join(',');
  switch (textAt(item, 'operator')) {
    case 'In':
      return `${key} in (${values})`;
    case 'NotIn':
      return `${key} notin (${values})`;
    case 'DoesNotExist':
      return `!${key}`;
    default:
      return key;
  }
}

export function containerColumns(path: string): Column[] {
  const containers = (object: KubeObject): unknown[] => listAt(object, path);
  return [
    column(
      'Containers',
      (object) =>
        containers(object)
          .map((item) => textAt(item, 'name'))
          .join(','),
      { wide: true },
    ),
    column(
      'Images',
      (object) =>
        containers(object)
          .map((item) => textAt(item, 'image'))
          .join(','),
      { wide: true },
    ),
  ];
}
