const MASK = '***';
const MIN_LENGTH = 4;

/** Replaces secrets in a stream of text, also where a secret is cut in two by the pieces that it comes in. */
export class Masker {
  readonly #pattern: RegExp | undefined;
  readonly #longest: number;
  readonly #needles: readonly string[];
  #held = '';

  constructor(secrets: Iterable<string>) {
    this.#needles = [...new Set([...secrets].flatMap(formsOf))].sort((a, b) => b.length - a.length);
    this.#longest = this.#needles[0]?.length ?? 0;
    this.#pattern =
      this.#needles.length === 0 ? undefined : new RegExp(this.#needles.map(escaped).join('|'), 'g');
  }

  /** The part of the text that is certain. */
  push(text: string): string {
    if (this.#pattern === undefined) return text;
    const all = (this.#held + text).replaceAll(this.#pattern, MASK);
    const keep = this.#openEnd(all);
    this.#held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }

  /** What is left when no more comes. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** How many characters at the end may be the beginning of a secret. */
  #openEnd(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length -= 1) {
      const tail = text.slice(text.length - length);
      if (this.#needles.some((needle) => needle.startsWith(tail))) return length;
    }
    return 0;
  }
}

/** A secret as it is, line by line, in base64 (at each of its three offsets) and in URLs. */
function formsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  const plain = [secret, secret.trim(), ...lines].filter((text) => text.length >= MIN_LENGTH);
  return plain
    .flatMap((text) => [
      text,
      encodeURIComponent(text),
      encodeURIComponent(text).replaceAll('%20', '+'),
      ...base64Forms(text),
    ])
    .filter((text) => text.length >= MIN_LENGTH);
}

/** Inside of a longer text a secret looks different in base64 depending on where it starts; the edges are left out. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text);
  const forms = [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    const encoded = padded.toString('base64').replaceAll('=', '');
    const start = Math.ceil((offset * 8) / 6);
    const end = Math.floor((padded.length * 8) / 6);
    const inner = encoded.slice(start, end);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [bytes.toString('base64'), bytes.toString('hex'), ...forms].filter(
    (form) => form.length >= 2 * MIN_LENGTH,
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}
