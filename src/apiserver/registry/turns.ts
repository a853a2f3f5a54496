/**
 * Lets changes of one object that got in each other's way go one after another. Without it, a hundred that
 * start together would each lose to another one, round after round.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Waits until it is this change's turn; the returned function ends it. */
  async take(key: string): Promise<() => void> {
    const before = this.#last.get(key);
    const turn = Promise.withResolvers<void>();
    this.#last.set(key, turn.promise);
    await before;
    return () => {
      if (this.#last.get(key) === turn.promise) this.#last.delete(key);
      turn.resolve();
    };
  }
}
