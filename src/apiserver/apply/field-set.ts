/**
 * A set of fields of one object, in the form that `managedFields` carries on the wire: keys are `f:NAME`,
 * `k:{…}` for an element of a list by its keys, `v:VALUE` for an element of a set. An empty node is a member;
 * a node with children is a member when it also has the key `.`.
 */
export interface FieldSet {
  [element: string]: FieldSet;
}

const SELF = '.';

export function isEmptySet(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

function isMember(node: FieldSet): boolean {
  return SELF in node || isEmptySet(node);
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { ...a };
  for (const key of Object.keys(b)) {
    const mine = result[key];
    result[key] = mine === undefined ? b[key]! : unionNodes(mine, b[key]!);
  }
  return result;
}

function unionNodes(a: FieldSet, b: FieldSet): FieldSet {
  const merged = union(a, b);
  if (!isEmptySet(merged) && (isMember(a) || isMember(b))) merged[SELF] = {};
  return merged;
}

/** Members of `a` that are not members of `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const key of Object.keys(a)) {
    if (key === SELF) continue;
    const other = b[key];
    const left = other === undefined ? a[key]! : differenceNodes(a[key]!, other);
    if (left !== undefined) result[key] = left;
  }
  return result;
}

function differenceNodes(a: FieldSet, b: FieldSet): FieldSet | undefined {
  const left = difference(a, b);
  const stays = isMember(a) && !isMember(b);
  if (isEmptySet(left)) return stays ? {} : undefined;
  if (stays) left[SELF] = {};
  return left;
}

/** Members of both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const key of Object.keys(a)) {
    const other = b[key];
    if (key === SELF || other === undefined) continue;
    const both = intersection(a[key]!, other);
    const member = isMember(a[key]!) && isMember(other);
    if (isEmptySet(both)) {
      if (member) result[key] = both;
    } else {
      if (member) both[SELF] = {};
      result[key] = both;
    }
  }
  return result;
}

/** The members as people write them: `.spec.containers[name="app"].image`. */
export function memberPaths(set: FieldSet, prefix = ''): string[] {
  const paths: string[] = [];
  for (const [key, node] of Object.entries(set)) {
    if (key === SELF) continue;
    const path = prefix + showElement(key);
    if (isMember(node)) paths.push(path);
    paths.push(...memberPaths(node, path));
  }
  return paths;
}

function showElement(key: string): string {
  const body = key.slice(2);
  if (key.startsWith('f:')) return `.${body}`;
  if (key.startsWith('v:')) return `[=${body}]`;
  if (!key.startsWith('k:')) return `[${body}]`;
  const keys = Object.entries(JSON.parse(body) as Record<string, unknown>);
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
}
