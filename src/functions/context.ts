import type { ControllerContext } from '../kube/index.ts';
import type { DataPlaneLink } from './data-plane-link.ts';
import type { Fleet } from './instances/fleet.ts';
import type { InstanceHost } from './instances/host.ts';
import type { SourceFile, SourceStore } from './sources/source-store.ts';

export interface ImageRequest {
  namespace: string;
  name: string;
  /** Name of the image that it stands on. */
  base: string;
  language: string;
  manifest: string | undefined;
  packages: readonly { name: string; version?: string }[];
}

export interface FunctionImageRequest {
  namespace: string;
  name: string;
  /** Name of the image that it stands on. */
  base: string;
  language: string;
  handler: string | undefined;
  cloudEvents: boolean;
  /** The image answers HTTP by itself: it is all that there is. */
  isHttp: boolean;
  files: readonly SourceFile[];
}

/** Where an image is sent. */
export interface PushTarget {
  image: string;
  /** Text of a configuration of registries. */
  credentials?: string;
}

export interface BuiltImage {
  image: string;
  digest: string;
}

/** A function that needs nothing of this server. */
export interface StandaloneImage extends BuiltImage {
  /** It is made to run as nobody. Images of others may need to be root. */
  isForNobody: boolean;
}

/** Makes images. Throws an Error in words for users. */
export interface ImageMaker {
  /** With what functions need. */
  withDependencies: (request: ImageRequest, signal: AbortSignal) => Promise<BuiltImage>;
  /** By the template of the image, where it has one: a function by itself, which answers on the port of PORT. */
  byTemplate: (request: FunctionImageRequest, signal: AbortSignal) => Promise<BuiltImage | undefined>;
  /** Whatever its language is: what answers on the port of PORT, wherever it runs. */
  standalone: (
    request: FunctionImageRequest & { push?: PushTarget },
    signal: AbortSignal,
  ) => Promise<StandaloneImage>;
}

/** What the controllers of this room work with. */
export interface FunctionsContext extends ControllerContext {
  link: DataPlaneLink;
  fleet: Fleet;
  host: InstanceHost;
  sources: SourceStore;
  maker: ImageMaker;
}
