import type { KubeObject } from '../../kube/index.ts';
import { type Manifest, readYaml, writeYaml } from '../../render/index.ts';

const DISABLED = 'kustomize.toolkit.fluxcd.io/substitute';
const VARIABLE = /\$\$|\$\{([A-Za-z_]\w*)(?:(:?[-=])((?:[^{}]|\{[^{}]*\})*))?\}/g;

/** Puts values in the place of "${name}" and "${name:=otherwise}", wherever they stand in a manifest. */
export function substitute(manifest: Manifest, values: ReadonlyMap<string, string>): Manifest {
  const { labels, annotations } = manifest.object.metadata;
  if (labels?.[DISABLED] === 'disabled' || annotations?.[DISABLED] === 'disabled') return manifest;
  const text = writeYaml(manifest.object);
  if (!text.includes('$')) return manifest;
  const filled = text.replaceAll(VARIABLE, (_, name?: string, _sign?: string, otherwise = '') => {
    if (name === undefined) return '$';
    const value = values.get(name);
    return value === undefined || value === '' ? otherwise : value;
  });
  return { ...manifest, object: readYaml(filled, manifest.file) as Manifest['object'] };
}

/** Labels and annotations that everything gets. */
export function withMetadata<T extends KubeObject | Manifest['object']>(
  object: T,
  common: { labels?: Record<string, string>; annotations?: Record<string, string> } | undefined,
): T {
  if (common === undefined) return object;
  const { labels, annotations } = object.metadata;
  return {
    ...object,
    metadata: {
      ...object.metadata,
      ...(common.labels && { labels: { ...labels, ...common.labels } }),
      ...(common.annotations && { annotations: { ...annotations, ...common.annotations } }),
    },
  };
}
