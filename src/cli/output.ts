import { stringify } from 'yaml';
import type { Environment, GlobalFlags } from './environment.ts';

export interface Listing {
  items: readonly object[];
  columns: Record<string, (at: number) => string>;
  nameOf: (at: number) => string;
}

/** Prints a list in the format that was asked for. */
export function printList(
  environment: Environment,
  flags: GlobalFlags,
  { items, columns, nameOf }: Listing,
): void {
  const { stdout } = environment;
  switch (flags.output) {
    case 'json':
      stdout.write(`${JSON.stringify(items, undefined, 2)}\n`);
      return;
    case 'yaml':
      stdout.write(stringify(items));
      return;
    case 'name':
      for (const at of items.keys()) stdout.write(`${nameOf(at)}\n`);
      return;
    default:
      stdout.write(
        table(
          Object.keys(columns),
          items.map((_, at) => Object.values(columns).map((cell) => cell(at))),
        ),
      );
  }
}

export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  return [titles, ...rows]
    .map((row) =>
      row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at]! + 3))).join(''),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

export function printObject(environment: Environment, format: string | undefined, object: object): void {
  environment.stdout.write(
    format === 'json' ? `${JSON.stringify(object, undefined, 2)}\n` : stringify(object),
  );
}
