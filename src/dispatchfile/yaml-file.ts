import { type Document, isMap, isNode, isSeq, LineCounter, parseAllDocuments, type Node } from 'yaml';
import { DispatchfileError, type Path, type Place, type PlaceOf } from './problem.ts';

const MAX_ALIASES = 100;

/** Reads YAML, and JSON as the part of it that it is. */
export function parseYaml(text: string, file: string): { value: unknown; placeOf: PlaceOf } {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    uniqueKeys: true,
    version: '1.2',
  }) as Document.Parsed[];
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const errors = documents.flatMap((document) => document.errors);
  if (errors.length > 0)
    throw new DispatchfileError(
      errors.map((error) => ({
        message: error.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''),
        place: place(error.pos[0]),
      })),
    );
  if (documents.length > 1)
    throw new DispatchfileError([
      { message: 'the file must hold one document', place: place(documents[1]!.range[0]) },
    ]);
  const [document] = documents;
  if (document === undefined) return { value: undefined, placeOf: () => undefined };
  try {
    return {
      value: document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown,
      placeOf: (path) => placeIn(document.contents, path, place),
    };
  } catch (error) {
    throw new DispatchfileError(
      [{ message: (error as Error).message, place: { file, line: 1, column: 1 } }],
      { cause: error },
    );
  }
}

/** JSON may have one line that is none: the first, which names the language. */
export function parseJson(text: string, file: string): { value: unknown; placeOf: PlaceOf } {
  const body = text.replace(/^#![^\n]*/, '');
  const wrong = body.trim() === '' ? undefined : firstWrongPlace(body);
  if (wrong === undefined) return parseYaml(text, file);
  const before = body.slice(0, wrong).split('\n');
  const found = wrong >= body.length ? 'the end of the file' : JSON.stringify(body[wrong]);
  throw new DispatchfileError([
    {
      message: `it is no JSON: ${found} is not expected here`,
      place: { file, line: before.length, column: before.at(-1)!.length + 1 },
    },
  ]);
}

const JSON_TOKEN =
  /\s*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.]))/y;

/** Where a text stops being JSON: the parser of the language does not say. */
function firstWrongPlace(text: string): number | undefined {
  const open: ('{' | '[')[] = [];
  // What may come: a value, a key, what follows a key, or what follows a value.
  let state: 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'after' = 'value';
  for (let at = 0; ; ) {
    JSON_TOKEN.lastIndex = at;
    const found = JSON_TOKEN.exec(text);
    const start = at;
    if (found === null) {
      const wrong = afterSpace(text, start);
      return wrong >= text.length && state === 'after' && open.length === 0 ? undefined : wrong;
    }
    const [, symbol, string, atom] = found;
    at = JSON_TOKEN.lastIndex;
    const inObject = open.at(-1) === '{';
    if ((string !== undefined || atom !== undefined) && state.startsWith('value')) state = 'after';
    else if (string !== undefined && state.startsWith('key')) state = 'colon';
    else if (symbol === ':' && state === 'colon') state = 'value';
    else if ((symbol === '{' || symbol === '[') && state.startsWith('value')) {
      open.push(symbol);
      state = symbol === '{' ? 'key or end' : 'value or end';
    } else if (symbol === ',' && state === 'after' && open.length > 0) state = inObject ? 'key' : 'value';
    else if (
      symbol === (inObject ? '}' : ']') &&
      open.length > 0 &&
      (state === 'after' || state.endsWith('end'))
    ) {
      open.pop();
      state = 'after';
    } else return afterSpace(text, start);
  }
}

function afterSpace(text: string, at: number): number {
  return at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
}

/** The place of the deepest part of the path that is there. */
function placeIn(contents: Node | null, path: Path, place: (offset: number) => Place): Place | undefined {
  let node: unknown = contents;
  let found = isNode(node) && node.range ? place(node.range[0]) : undefined;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => String((item.key as { value?: unknown } | null)?.value) === String(key),
      );
      if (pair === undefined) break;
      const { range } = pair.key as Node;
      if (range) found = place(range[0]);
      node = pair.value;
    } else if (isSeq(node) && typeof key === 'number') {
      node = node.items[key];
      if (isNode(node) && node.range) found = place(node.range[0]);
    } else break;
  }
  return found;
}
