import type { ControllerContext } from '../kube/index.ts';
import type { DataPlaneLink } from './data-plane-link.ts';
import type { Fleet } from './instances/fleet.ts';
import type { InstanceHost } from './instances/host.ts';
import type { SourceStore } from './sources/source-store.ts';

export interface ImageRequest {
  namespace: string;
  name: string;
  /** Name of the image that it stands on. */
  base: string;
  language: string;
  manifest: string | undefined;
  packages: readonly { name: string; version?: string }[];
}

/** Makes images with what functions need. Throws an Error in words for users. */
export type BuildImage = (
  request: ImageRequest,
  signal: AbortSignal,
) => Promise<{ image: string; digest: string }>;

/** What the controllers of this room work with. */
export interface FunctionsContext extends ControllerContext {
  link: DataPlaneLink;
  fleet: Fleet;
  host: InstanceHost;
  sources: SourceStore;
  build: BuildImage;
}
