import { RenderError } from './go-template/index.ts';

/** An object as it is written in Git. */
export interface DesiredObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name?: string;
    generateName?: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

/** An object, and the file that it comes from. */
export interface Manifest {
  object: DesiredObject;
  file: string;
}

/** Checks that everything is an object of Kubernetes, and takes lists apart. */
export function checkManifests(manifests: readonly { object: unknown; file: string }[]): Manifest[] {
  return manifests.flatMap(({ object, file }) => {
    if (!isFields(object))
      throw new RenderError(`${file} holds something that is no object: give apiVersion, kind and metadata`);
    const { apiVersion, kind, items } = object as { apiVersion?: unknown; kind?: unknown; items?: unknown };
    if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items))
      return checkManifests(items.map((item: unknown) => ({ object: item, file })));
    if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '' || kind === '')
      throw new RenderError(`${file} holds an object without apiVersion and kind`);
    const metadata = object['metadata'];
    const named = isFields(metadata) && (isName(metadata['name']) || isName(metadata['generateName']));
    if (!named) throw new RenderError(`${file} holds a ${kind} without a name`);
    return [{ object: object as unknown as DesiredObject, file }];
  });
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
