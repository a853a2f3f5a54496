import type { Admission, Attributes } from '../registry/index.ts';

/** One rule of admission. It names the collections that it cares about, or none for all. */
export interface Plugin {
  /** True while it asks services outside this process. */
  asksOthers?: () => boolean;
  collections?: readonly string[];
  /** It decides on subresources with kinds of their own too: exec, eviction, tokens. */
  ownKinds?: boolean;
  mutate?: (attributes: Attributes) => Promise<void> | undefined | void;
  validate?: (attributes: Attributes) => Promise<void> | undefined | void;
}

/** Runs plugins in order. Most changes meet only synchronous ones and wait for nothing. */
export class AdmissionChain implements Admission {
  readonly #plugins: readonly Plugin[];
  readonly #byCollection = new Map<string, readonly Plugin[]>();

  constructor(plugins: readonly Plugin[]) {
    this.#plugins = plugins;
  }

  asksOthers(): boolean {
    return this.#plugins.some((plugin) => plugin.asksOthers?.() === true);
  }

  async mutate(attributes: Attributes): Promise<void> {
    for (const plugin of this.#for(attributes)) {
      const pending = plugin.mutate?.(attributes);
      if (pending !== undefined) await pending;
    }
  }

  async validate(attributes: Attributes): Promise<void> {
    for (const plugin of this.#for(attributes)) {
      const pending = plugin.validate?.(attributes);
      if (pending !== undefined) await pending;
    }
  }

  #for(attributes: Attributes): readonly Plugin[] {
    const { collection } = attributes.resource;
    let plugins = this.#byCollection.get(collection);
    if (plugins === undefined) {
      plugins = this.#plugins.filter((plugin) => plugin.collections?.includes(collection) ?? true);
      this.#byCollection.set(collection, plugins);
    }
    return attributes.kind === undefined ? plugins : plugins.filter((plugin) => plugin.ownKinds);
  }
}
