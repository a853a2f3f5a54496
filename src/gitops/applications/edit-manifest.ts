import { isMap, isSeq, parseAllDocuments, type Document } from 'yaml';
import type { FieldChange } from '../engine/compare.ts';

/** An object in a file of manifests. */
export interface Place {
  kind: string;
  name: string;
  namespace: string;
}

export interface ManifestEdit {
  place: Place;
  /** What the fields are to be, or that the object goes. */
  fields: readonly FieldChange[] | 'remove';
}

/** YAML 1.1, without the ordered maps that new fields would become. */
const OPTIONS: NonNullable<Parameters<typeof parseAllDocuments>[1]> = {
  version: '1.1',
  customTags: (tags) =>
    tags.filter((tag) => typeof tag === 'string' || !/:(?:omap|set|pairs)$/.test(tag.tag)),
};

/** Writes changes into a file, leaving everything else in it, comments included. Undefined where an object is not in it. */
export function editManifests(text: string, edits: readonly ManifestEdit[]): string | undefined {
  const documents = parseAllDocuments(text, OPTIONS);
  if (!Array.isArray(documents)) return undefined;
  const gone = new Set<Document>();
  for (const { place, fields } of edits) {
    const document = (documents as Document[]).find((item) => isPlace(item, place));
    if (document === undefined) return undefined;
    if (fields === 'remove') gone.add(document);
    else for (const { path, from } of fields) setField(document, partsOf(path), from);
  }
  const left = (documents as Document[]).filter((document) => !gone.has(document));
  return left
    .map(
      (document, at) => (at === 0 ? '' : '---\n') + document.toString({ lineWidth: 0 }).replace(/^---\n/, ''),
    )
    .join('');
}

function isPlace(document: Document, { kind, name, namespace }: Place): boolean {
  if (document.get('kind') !== kind || document.getIn(['metadata', 'name']) !== name) return false;
  const own = document.getIn(['metadata', 'namespace']);
  return own === undefined || own === namespace;
}

type Part = string | number | { name: string };

/** "spec.containers[name=web].env[0]" taken apart. */
export function partsOf(path: string): Part[] {
  const parts: Part[] = [];
  for (const [, name, index, quoted, plain] of path.matchAll(
    /\[name=([^\]]*)\]|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g,
  )) {
    if (name !== undefined) parts.push({ name });
    else if (index !== undefined) parts.push(Number(index));
    else if (quoted !== undefined) parts.push(JSON.parse(`"${quoted}"`) as string);
    else if (plain !== undefined) parts.push(plain);
  }
  return parts;
}

function setField(document: Document, parts: readonly Part[], value: unknown): void {
  const path: (string | number)[] = [];
  for (const part of parts) {
    if (typeof part !== 'object') {
      path.push(part);
      continue;
    }
    const list = path.length === 0 ? document.contents : document.getIn(path, true);
    const items = isSeq(list) ? list.items : [];
    const at = items.findIndex((item) => isMap(item) && item.get('name') === part.name);
    path.push(at < 0 ? items.length : at);
  }
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(value));
}
