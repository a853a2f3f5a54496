/**
 * Finds keys that a JSON text has twice in one object. Parsing keeps the last one silently; strict clients
 * want to know. The text must be valid JSON.
 */
export function duplicateFields(text: string): string[] {
  const found: string[] = [];
  const scanner = new Scanner(text, found);
  scanner.value('');
  return found;
}

class Scanner {
  readonly #text: string;
  readonly #found: string[];
  #at = 0;

  constructor(text: string, found: string[]) {
    this.#text = text;
    this.#found = found;
  }

  value(path: string): void {
    const char = this.#peek();
    if (char === '{') this.#object(path);
    else if (char === '[') this.#array(path);
    else if (char === '"') this.#string();
    else while (this.#at < this.#text.length && !',]}'.includes(this.#text[this.#at]!)) this.#at += 1;
  }

  #object(path: string): void {
    const keys = new Set<string>();
    this.#at += 1;
    while (this.#peek() !== '}') {
      const key = this.#string();
      const inner = path === '' ? key : `${path}.${key}`;
      if (keys.has(key)) this.#found.push(inner);
      keys.add(key);
      this.#peek();
      this.#at += 1;
      this.value(inner);
      if (this.#peek() === ',') this.#at += 1;
    }
    this.#at += 1;
  }

  #array(path: string): void {
    this.#at += 1;
    for (let index = 0; this.#peek() !== ']'; index++) {
      this.value(`${path}[${index}]`);
      if (this.#peek() === ',') this.#at += 1;
    }
    this.#at += 1;
  }

  #string(): string {
    this.#peek();
    const start = this.#at;
    this.#at += 1;
    while (this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    this.#at += 1;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  /** The next character that is not white space. */
  #peek(): string {
    while (' \n\r\t'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
    return this.#text[this.#at] ?? '';
  }
}
