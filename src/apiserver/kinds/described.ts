import { parseTypes } from '../schema/index.ts';
import { fromRow, type Options } from './builtin.ts';
import type { Resource } from './resource.ts';
import { META_TYPES } from './types/meta.ts';

export interface DescribedKind extends Options {
  kind: string;
  plural: string;
}

/**
 * Kinds that are served by a part of this process and not from the store: what clients learn about them, in
 * the notation of the built-in kinds.
 */
export function describeKinds<const T extends readonly DescribedKind[]>(
  groupVersion: string,
  { prefix, types }: { prefix: string; types: string },
  kinds: T,
): { [K in keyof T]: Resource } {
  const meta = parseTypes('io.k8s.apimachinery.pkg.apis.meta.v1', META_TYPES);
  const module = parseTypes(prefix, types, [meta]);
  return kinds.map(({ kind, plural, ...options }) => {
    const schema = module.types.get(kind);
    if (schema === undefined) throw new Error(`no type ${kind} in ${groupVersion}`);
    return fromRow([groupVersion, kind, plural, options], schema);
  }) as { [K in keyof T]: Resource };
}
