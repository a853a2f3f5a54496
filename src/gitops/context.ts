import type { ControllerContext } from '../kube/index.ts';
import type { Renderer } from '../render/index.ts';
import type { Mirrors, SourceContext } from '../scm/index.ts';

/** A chart out of a repository of charts. */
export interface ChartPlace {
  /** "https://charts.example.com" or "oci://registry.example.com/charts" */
  repository: string;
  name: string;
  /** A version, or a range of versions. */
  version: string;
  credentials?: { username: string; secret: string } | undefined;
}

/** Where charts come from that lie in no Git repository. */
export interface ChartSource {
  /** The newest version that fits. */
  resolve: (place: ChartPlace) => Promise<string>;
  fetch: (place: ChartPlace) => Promise<Buffer>;
  /** Something that was pushed to a registry, at what its tag or digest stands for now. */
  artifact: (place: ChartPlace, mediaType?: string) => Promise<Artifact>;
}

export interface Artifact {
  /** Of its manifest. */
  digest: string;
  /** Its files, packed. */
  fetch: () => Promise<Buffer>;
}

/** What the controllers of this room work with. */
export interface GitopsContext extends ControllerContext, SourceContext {
  mirrors: Mirrors;
  renderer: Renderer;
  charts: ChartSource;
  /** For addresses that users name, with certificates of their own. */
  outward: (ca?: string) => typeof fetch;
  /** This room itself has pushed to a repository: others may have to hear of it. */
  wrote: (url: string) => void;
  /** Where files of commits are laid out. */
  checkoutsDir: string;
}
