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

/** JSON may have comments in its first line only: the line that names the language. */
export function parseJson(text: string, file: string): { value: unknown; placeOf: PlaceOf } {
  const body = text.replace(/^#![^\n]*/, '');
  try {
    JSON.parse(body === '' ? 'null' : body);
  } catch (error) {
    throw new DispatchfileError([
      {
        message: `it is no JSON: ${(error as Error).message.replace(/ \(line \d+ column \d+\)$/, '').replace(/ in JSON at position \d+/, '')}`,
        place: jsonPlace(body, error as Error, file),
      },
    ]);
  }
  return parseYaml(text, file);
}

function jsonPlace(text: string, error: Error, file: string): Place {
  const at = Number(/position (\d+)/.exec(error.message)?.[1] ?? text.length);
  const before = text.slice(0, at).split('\n');
  return { file, line: before.length, column: before.at(-1)!.length + 1 };
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
