import type { FunctionImageRequest } from '../context.ts';
import type { RevisionObject } from '../resources.ts';
import type { SourceStore } from '../sources/source-store.ts';

/** What a revision of a function is made of, for an image that is the function by itself. */
export async function imageRequestOf(
  { namespace, name }: { namespace: string; name: string },
  { template, image }: RevisionObject['data'],
  sources: SourceStore,
): Promise<FunctionImageRequest> {
  return {
    namespace,
    name,
    base: image.reference,
    language: image.language,
    handler: template.handler,
    cloudEvents: template.cloudEvents === true,
    isHttp: template.http === true,
    files: (await sources.get(namespace, template.source?.digest ?? '')) ?? [],
  };
}
