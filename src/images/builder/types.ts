import type { Dispatcher } from 'undici';
import type { Image, ImageStore } from '../content/image-store.ts';

export interface RunMount {
  type: 'bind' | 'tmpfs' | 'overlay';
  target: string;
  /** A file or directory of this machine. */
  source?: string;
  /** For overlays: directories, top first, and places for what is written and then forgotten. */
  lower?: string[];
  scratch?: string;
  readOnly: boolean;
  sizeBytes?: number;
}

export interface RunRequest {
  /** Unique among all runs. */
  id: string;
  /** The layers below, top first. */
  lower: string[];
  /** A directory for this run; what the program writes ends up in `upper` in it. */
  dir: string;
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  user: string;
  mounts: RunMount[];
  network: BuildNetwork;
}

/** One file of a layer as the kernel keeps it. */
export interface LayerPart {
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'link' | 'fifo';
  mode: number;
  uid: number;
  gid: number;
  size: number;
  linkname?: string;
  /** The path is gone from the layers below. */
  whiteout?: boolean;
  /** The directory hides everything of the layers below. */
  opaque?: boolean;
}

/** What runs the programs of a build, in sandboxes. */
export interface StepRunner {
  run: (request: RunRequest, output: (chunk: Buffer) => void, signal: AbortSignal) => Promise<number>;
  /** The files of a layer, in order, each followed by its bytes. */
  readLayer: (
    dir: string,
    handle: (part: LayerPart, content: AsyncIterable<Buffer>) => Promise<void>,
  ) => Promise<void>;
  removeFiles: (path: string) => Promise<void>;
}

export interface BuildOptions {
  images: ImageStore;
  /** An image by name: from the store, made here, or fetched. */
  resolve: (name: string, signal: AbortSignal) => Promise<Image>;
  runner: StepRunner;
  /** Layers, caches and whatever is being made. */
  root: string;
  contextDir: string;
  dockerfile: string;
  target?: string;
  buildArgs: Record<string, string>;
  labels: Record<string, string>;
  secrets: Record<string, { path?: string; value?: string }>;
  noCache: boolean;
  network: BuildNetwork;
  arch: string;
  /** Whether files can be given to their owners. */
  owners: boolean;
  onOutput: (text: string) => void;
  /** What ADD fetches through; by default it reaches whatever this machine does. */
  dispatcher?: Dispatcher;
  signal: AbortSignal;
}

/** What programs of a build reach: what pods do, what this machine itself does, or nothing. */
export type BuildNetwork = 'default' | 'host' | 'none';

export class BuildError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'BuildError';
  }
}
