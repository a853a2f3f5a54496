import type { CloudEvent } from '../ingest/cloud-event.ts';

/** Tells whether an event is wanted. */
export type Filter = (event: CloudEvent) => boolean;

export class BadFilterError extends Error {
  override name = 'BadFilterError';
}

export interface FilterSpec {
  eventType?: string;
  source?: string;
  subject?: string;
  filters?: readonly unknown[];
}

type Words = Readonly<Record<string, string>>;

const MAX_DEPTH = 16;
const TESTS: Readonly<Record<string, (value: string, wanted: string) => boolean>> = {
  exact: (value, wanted) => value === wanted,
  prefix: (value, wanted) => value.startsWith(wanted),
  suffix: (value, wanted) => value.endsWith(wanted),
};

export function filterOf({ eventType, source, subject, filters = [] }: FilterSpec): Filter {
  const all: Filter[] = [
    ...glob('type', eventType),
    ...glob('source', source),
    ...glob('subject', subject),
    ...filters.map((item) => dialect(item, 0)),
  ];
  return (event) => all.every((filter) => filter(event));
}

/** "ticker.tick" as it is, "ticker.*" for all that begin with "ticker.", "*" for all. */
function glob(attribute: string, text: string | undefined): Filter[] {
  if (text === undefined || text === '' || text === '*') return [];
  if (text.slice(0, -1).includes('*'))
    throw new BadFilterError(`${JSON.stringify(text)} has a "*" that is not at its end.`);
  const start = text.endsWith('*') ? text.slice(0, -1) : undefined;
  return [
    (event) => {
      const value = event[attribute];
      return typeof value === 'string' && (start === undefined ? value === text : value.startsWith(start));
    },
  ];
}

/** The dialects of CloudEvents Subscriptions. */
function dialect(value: unknown, depth: number): Filter {
  if (depth > MAX_DEPTH) throw new BadFilterError(`A filter is deeper than ${MAX_DEPTH} levels.`);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BadFilterError('A filter is no object.');
  const parts = Object.entries(value).map(([name, argument]): Filter => {
    const test = TESTS[name];
    if (test !== undefined) return compare(test, wordsOf(name, argument));
    if (name === 'not') {
      const inner = dialect(argument, depth + 1);
      return (event) => !inner(event);
    }
    if (name !== 'all' && name !== 'any')
      throw new BadFilterError(
        `There is no filter ${JSON.stringify(name)}: choose exact, prefix, suffix, all, any or not.`,
      );
    if (!Array.isArray(argument) || argument.length === 0)
      throw new BadFilterError(`The filter ${name} is no list of filters.`);
    const inner = argument.map((item) => dialect(item, depth + 1));
    return name === 'all'
      ? (event) => inner.every((filter) => filter(event))
      : (event) => inner.some((filter) => filter(event));
  });
  if (parts.length === 0) throw new BadFilterError('A filter is empty.');
  return (event) => parts.every((part) => part(event));
}

function compare(test: (value: string, wanted: string) => boolean, words: Words): Filter {
  const wanted = Object.entries(words);
  return (event) =>
    wanted.every(([attribute, text]) => {
      const value = event[attribute];
      return value !== undefined && typeof value !== 'object' && test(String(value), text);
    });
}

function wordsOf(name: string, argument: unknown): Words {
  if (typeof argument !== 'object' || argument === null || Array.isArray(argument))
    throw new BadFilterError(`The filter ${name} names no attributes.`);
  const entries = Object.entries(argument);
  if (entries.length === 0 || entries.some(([, value]) => typeof value !== 'string' || value === ''))
    throw new BadFilterError(`The filter ${name} must give each attribute a text.`);
  return argument as Words;
}
