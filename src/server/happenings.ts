import type { GitChange, ImagePush } from '../events/index.ts';

type Listener<T> = (thing: T) => Promise<void>;

/** What happens on this server, for those that make events of it. */
export class Happenings {
  readonly #git = new Set<Listener<GitChange>>();
  readonly #images = new Set<Listener<ImagePush>>();

  onGit = (listener: Listener<GitChange>): Disposable => subscribe(this.#git, listener);

  onImage = (listener: Listener<ImagePush>): Disposable => subscribe(this.#images, listener);

  /** Resolves when everybody has it safe. */
  async git(change: GitChange): Promise<void> {
    await Promise.all([...this.#git].map((listener) => listener(change)));
  }

  async image(push: ImagePush): Promise<void> {
    await Promise.all([...this.#images].map((listener) => listener(push)));
  }
}

function subscribe<T>(listeners: Set<Listener<T>>, listener: Listener<T>): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => void listeners.delete(listener) };
}
