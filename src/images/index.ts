export { COLLECTOR_DEFAULTS, type CollectorSettings, ImageCollector } from './collector.ts';
export { readBundle } from './bundle.ts';
export { buildImage } from './builder/build.ts';
export {
  BuildError,
  type BuildNetwork,
  type BuildOptions,
  type LayerPart,
  type RunMount,
  type RunRequest,
  type StepRunner,
} from './builder/types.ts';
export { BUILTIN_HOST, BuiltinImages } from './builtin/builtin-images.ts';
export { type Host, MissingProgramError, RECIPES } from './builtin/recipes.ts';
export { Keychain } from './client/credentials.ts';
export { pullImage } from './client/pull.ts';
export { pushImage } from './client/push.ts';
export { RegistryClient, RegistryError, type RegistrySettings } from './client/registry-client.ts';
export { ContentStore } from './content/content-store.ts';
export { type Image, ImageStore, OWN_HOST } from './content/image-store.ts';
export { type ImageConfig, type Manifest, MEDIA } from './manifest.ts';
export { BadReferenceError, formatReference, parseReference, type Reference } from './reference.ts';
export { type Access, type Authorize, Registry } from './registry/registry.ts';
export { pruneImages } from './prune.ts';
export { Repositories } from './registry/repositories.ts';
export { saveImage } from './save.ts';
