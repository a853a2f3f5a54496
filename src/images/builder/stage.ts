import { createHash } from 'node:crypto';
import type { Image } from '../content/image-store.ts';
import type { ContainerConfig, HistoryEntry } from '../manifest.ts';
import { expandVariables } from './dockerfile/expand.ts';
import type { Layer } from './layer-store.ts';
import { LayerView } from './layer-view.ts';

export interface StageLayer {
  digest: string;
  size: number;
  mediaType: string;
  diffId: string;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SHELL = ['/bin/sh', '-c'];

/** A stage while it is being built: the tree so far, the configuration so far, and the key of all that led here. */
export class Stage {
  readonly layers: StageLayer[] = [];
  readonly history: HistoryEntry[] = [];
  config: ContainerConfig = {};
  /** Directories, top first. */
  lower: string[] = [];
  shell = SHELL;
  /** What ARG has declared, in order. */
  readonly args: Record<string, string> = {};
  key = '';
  readonly escape: string;
  hasCommand = false;
  /** Whether the base had an entry point or a command that a new entry point puts aside. */
  inheritedCommand = false;

  constructor(escaper: string) {
    this.escape = escaper;
  }

  static fromImage(image: Image, root: string, escaper: string): Stage {
    const stage = new Stage(escaper);
    stage.config = structuredClone(image.config.config ?? {});
    stage.shell = stage.config.Shell ?? SHELL;
    stage.lower = [root];
    for (const [at, layer] of image.manifest.layers.entries())
      stage.layers.push({ ...layer, diffId: image.config.rootfs.diff_ids[at] ?? layer.digest });
    stage.history.push(...(image.config.history ?? []));
    stage.key = image.digest;
    stage.inheritedCommand = true;
    return stage;
  }

  static fromStage(other: Stage): Stage {
    const stage = new Stage(other.escape);
    stage.config = structuredClone(other.config);
    stage.shell = other.shell;
    stage.lower = [...other.lower];
    stage.layers.push(...other.layers);
    stage.history.push(...other.history);
    stage.key = other.key;
    stage.inheritedCommand = true;
    return stage;
  }

  get view(): LayerView {
    return new LayerView(this.lower);
  }

  get env(): Record<string, string> {
    return Object.fromEntries(
      (this.config.Env ?? []).map((entry) => {
        const at = entry.indexOf('=');
        return [entry.slice(0, at), entry.slice(at + 1)] as const;
      }),
    );
  }

  /** What words of instructions may name: ENV wins over ARG. */
  get variables(): Record<string, string> {
    return { ...this.args, ...this.env };
  }

  /** What programs of RUN see. */
  get runEnv(): Record<string, string> {
    return { PATH: DEFAULT_PATH, ...this.args, ...this.env };
  }

  expand(text: string): string {
    return expandVariables(text, this.variables, this.escape);
  }

  absolute(path: string): string {
    if (path.startsWith('/')) return path;
    const base = this.config.WorkingDir || '/';
    return `${base.replace(/\/+$/, '')}/${path}`;
  }

  setEnv(name: string, value: string): void {
    const others = (this.config.Env ?? []).filter((entry) => !entry.startsWith(`${name}=`));
    this.config.Env = [...others, `${name}=${value}`];
  }

  /** The key of the next step: everything before, and what the step says. */
  nextKey(...parts: string[]): string {
    return createHash('sha256')
      .update([this.key, ...parts].join('\0'))
      .digest('hex');
  }

  push(layer: Layer, mediaType: string): void {
    this.layers.push({ digest: layer.digest, size: layer.size, mediaType, diffId: layer.digest });
    this.lower = [layer.dir, ...this.lower];
  }
}
