import { isRecord, type JsonObject, type KubeObject } from '../../kube/index.ts';
import type { IgnoreRule } from '../resources.ts';
import { deletePaths } from './jq-paths.ts';
import type { ObjectKey } from './object-key.ts';

/** The rules that are for an object. */
export function rulesFor(rules: readonly IgnoreRule[], key: ObjectKey): IgnoreRule[] {
  return rules.filter(
    (rule) =>
      matches(rule.group ?? '', key.group) &&
      matches(rule.kind, key.kind) &&
      (rule.name === undefined || rule.name === '' || matches(rule.name, key.name)) &&
      (rule.namespace === undefined || rule.namespace === '' || matches(rule.namespace, key.namespace)),
  );
}

/** Words of rules may have "*" in them. */
export function matches(pattern: string, text: string): boolean {
  if (pattern === text || pattern === '*') return true;
  if (!/[*?]/.test(pattern)) return false;
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

/** Takes away what is not to be compared. `live` tells which fields others look after. */
export function withoutIgnored(
  object: KubeObject,
  rules: readonly IgnoreRule[],
  live: KubeObject | undefined,
): void {
  for (const rule of rules) {
    for (const pointer of rule.jsonPointers ?? []) deletePointer(object, pointer);
    for (const expression of rule.jqPathExpressions ?? []) deletePaths(object, expression);
    for (const manager of rule.managedFieldsManagers ?? [])
      for (const entry of live?.metadata.managedFields ?? [])
        if (entry.manager === manager) deleteOwned(object, entry.fieldsV1);
  }
}

function deletePointer(object: unknown, pointer: string): void {
  const parts = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = parts.pop();
  let holder: unknown = object;
  for (const part of parts)
    holder = Array.isArray(holder) ? holder[Number(part)] : isRecord(holder) ? holder[part] : undefined;
  if (last === undefined) return;
  if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else if (isRecord(holder)) delete holder[last];
}

/** Takes away what a manager owns, by the shape in which the server writes that down. */
function deleteOwned(value: unknown, fields: JsonObject): void {
  for (const [key, inner] of Object.entries(fields)) {
    if (key === '.') continue;
    const rest = isRecord(inner) ? (inner as JsonObject) : {};
    const isLeaf = Object.keys(rest).filter((name) => name !== '.').length === 0;
    if (key.startsWith('f:') && isRecord(value)) {
      const name = key.slice(2);
      if (isLeaf) delete value[name];
      else deleteOwned(value[name], rest);
    } else if (key.startsWith('k:') && Array.isArray(value)) {
      const wanted = JSON.parse(key.slice(2)) as Record<string, unknown>;
      const item: unknown = value.find(
        (candidate) =>
          isRecord(candidate) && Object.entries(wanted).every(([name, text]) => candidate[name] === text),
      );
      deleteOwned(item, rest);
    }
  }
}
