/** Which of the numbers behind a floor are done: the floor rises as soon as the one behind it is. */
export class Progress {
  #floor: number;
  readonly #done: Set<number>;

  constructor(floor: number, done: readonly number[] = []) {
    this.#floor = floor;
    this.#done = new Set(done);
  }

  /** Everything up to here is done. */
  get floor(): number {
    return this.#floor;
  }

  get done(): number[] {
    return [...this.#done];
  }

  isDone(number: number): boolean {
    return number <= this.#floor || this.#done.has(number);
  }

  add(number: number): void {
    if (number <= this.#floor) return;
    this.#done.add(number);
    while (this.#done.delete(this.#floor + 1)) this.#floor += 1;
  }
}
