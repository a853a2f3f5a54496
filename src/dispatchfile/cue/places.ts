import type { Path, Place, PlaceOf } from '../problem.ts';
import { type CueToken, cueTokens, isLabel, labelName } from './tokens.ts';

export function placeAt(text: string, offset: number, file: string): Place {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { file, line: before.split('\n').length, column: offset - lineStart + 1 };
}

interface Context {
  path: Path;
  /** The place in a list, where it is one. */
  index: number | undefined;
}

/** Where fields are written: what is spread over a file or comes from expressions is found at its nearest parent. */
export function placesIn(text: string, file: string): PlaceOf {
  const found = new Map<string, number>();
  const contexts: Context[] = [{ path: [], index: undefined }];
  let labels: string[] = [];
  const tokens = cueTokens(text);
  for (const [at, token] of tokens.entries()) {
    const context = contexts.at(-1)!;
    const here = context.index === undefined ? context.path : [...context.path, context.index];
    if (isLabel(token) && endsInColon(tokens, at)) {
      labels.push(labelName(token));
      const key = keyOf([...here, ...labels]);
      if (!found.has(key)) found.set(key, token.offset);
    } else if (token.text === '{' || token.text === '[') {
      const path = [...here, ...labels];
      if (!found.has(keyOf(path))) found.set(keyOf(path), token.offset);
      contexts.push({ path, index: token.text === '[' ? 0 : undefined });
      labels = [];
    } else if (token.text === '}' || token.text === ']') {
      if (contexts.length > 1) contexts.pop();
      labels = [];
    } else if (token.text === ',' || token.kind === 'newline') {
      if (token.text === ',' && context.index !== undefined) context.index += 1;
      labels = [];
    } else if (token.text !== ':' && context.index !== undefined && !found.has(keyOf(here)))
      found.set(keyOf(here), token.offset);
  }
  return (path) => {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = found.get(keyOf(path.slice(0, length)));
      if (offset !== undefined) return placeAt(text, offset, file);
    }
    return { file, line: 1, column: 1 };
  };
}

/** A label, with others of the older spelling between it and its colon. */
function endsInColon(tokens: readonly CueToken[], start: number): boolean {
  let at = start;
  while (isLabel(tokens[at])) at += 1;
  return tokens[at]?.text === ':';
}

function keyOf(path: Path): string {
  return path.join('\u0000');
}
