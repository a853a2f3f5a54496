import { type Document, parseAllDocuments, parseDocument, visit } from 'yaml';
import { RenderError } from '../go-template/index.ts';

const MAX_ALIASES = 100;
const MAX_BYTES = 16 * 1024 * 1024;
/** What the readers of Kubernetes leave out of YAML 1.1. */
const LEFT_OUT = new Set([
  'tag:yaml.org,2002:timestamp',
  'tag:yaml.org,2002:set',
  'tag:yaml.org,2002:omap',
  'tag:yaml.org,2002:pairs',
  'tag:yaml.org,2002:binary',
]);

/** The octal numbers of YAML 1.2, which are understood as well. */
const OCTAL = {
  identify: () => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?0o[0-7]+$/,
  resolve: (text: string) => Number(text.replace(/^[-+]/, '')) * (text.startsWith('-') ? -1 : 1),
};

const OPTIONS = {
  version: '1.1',
  merge: true,
  uniqueKeys: false,
  intAsBigInt: false,
  logLevel: 'silent',
  prettyErrors: true,
  customTags: (tags: unknown[]) => [
    OCTAL,
    ...tags.filter((tag) => {
      if (typeof tag !== 'object' || tag === null) return true;
      const { tag: name, format } = tag as { tag?: string; format?: string };
      return !LEFT_OUT.has(name ?? '') && format !== 'TIME';
    }),
  ],
} as const;

/** One document, as Kubernetes reads YAML. */
export function readYaml(text: string, file: string): unknown {
  checkSize(text, file);
  return valueIn(parseDocument(text, OPTIONS as never), file);
}

/** Every document of a file. Those that hold nothing are left out. */
export function readAllYaml(text: string, file: string): unknown[] {
  checkSize(text, file);
  const documents = parseAllDocuments(text, OPTIONS as never);
  if (!Array.isArray(documents)) return [];
  return (documents as Document[])
    .map((item) => valueIn(item, file))
    .filter((item) => item !== null && item !== undefined);
}

function checkSize(text: string, file: string): void {
  if (text.length > MAX_BYTES) throw new RenderError(`${file} is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
}

function valueIn(document: Document, file: string): unknown {
  const problem = document.errors[0];
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line;
    throw new RenderError(
      `${file}${line === undefined ? '' : `:${line}`}: ${problem.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '')}`,
    );
  }
  let aliases = 0;
  visit(document, {
    Alias: () => {
      aliases += 1;
      if (aliases > MAX_ALIASES * 100) throw new RenderError(`${file} repeats itself too often by aliases`);
    },
  });
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    throw new RenderError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
