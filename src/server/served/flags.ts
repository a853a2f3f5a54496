/** Reads flags as Go programs have them: one dash or two, the value after "=" or as the next word. */
export class Flags {
  readonly #values = new Map<string, string[]>();
  readonly rest: string[] = [];

  /** `switches` are flags that stand alone; `short` gives the long names of others. */
  constructor(
    argv: readonly string[],
    { switches, short = {} }: { switches: readonly string[]; short?: Readonly<Record<string, string>> },
  ) {
    for (let at = 0; at < argv.length; at += 1) {
      const found = /^--?([\w-]+)(?:=([\s\S]*))?$/.exec(argv[at]!);
      if (found === null) {
        this.rest.push(argv[at]!);
        continue;
      }
      const name = short[found[1]!] ?? found[1]!;
      let value = found[2];
      if (value === undefined && switches.includes(name)) value = 'true';
      else if (value === undefined) {
        at += 1;
        value = argv[at];
        if (value === undefined) throw new Error(`the flag --${name} needs a value`);
      }
      this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
    }
  }

  names(): string[] {
    return [...this.#values.keys()];
  }

  one(...names: readonly string[]): string | undefined {
    return names.flatMap((name) => this.#values.get(name) ?? []).at(-1);
  }

  all(...names: readonly string[]): string[] {
    return names.flatMap((name) => this.#values.get(name) ?? []);
  }

  has(name: string): boolean {
    const value = this.one(name);
    return value !== undefined && value !== 'false';
  }

  /** "name=value" pairs; a name alone has its value from the environment. */
  pairs(name: string, env: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
      this.all(name).map((pair) => {
        const at = pair.indexOf('=');
        return at < 0 ? [pair, env[pair] ?? ''] : [pair.slice(0, at), pair.slice(at + 1)];
      }),
    );
  }
}
