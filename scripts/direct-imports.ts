import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';

interface Place {
  file: string;
  /** What it is called there. */
  name: string;
}

const IMPORT = /^(import|export)\s*\{([^}]*)\}\s*from\s*'(\.[^']*\/index\.ts)';/gm;
const NAMES = /^export\s*\{([^}]*)\}\s*from\s*'(\.[^']*)';/gm;
const ALL = /^export \* from '(\.[^']*)';/gm;
const OWN =
  /^export (?:abstract |async |declare )*(?:const|let|class|function\*?|enum|interface|type) (\w+)/gm;

const known = new Map<string, Map<string, Place>>();

/**
 * Imports what is behind an index from where it lies. A bundler that splits takes whatever an index names along to
 * everybody who imports anything of it: a command that wants one function would load the whole server.
 */
export function directImports(text: string, path: string): string {
  return text.replaceAll(IMPORT, (whole, verb: string, names: string, from: string) => {
    const index = resolve(dirname(path), from);
    const exported = exportsOf(index);
    const places = wordsOf(names).map((word) => ({ ...word, place: exported.get(word.name) }));
    if (places.some(({ place, isType }) => place === undefined && !isType))
      throw new Error(`${path}: ${from} does not export all of ${names.trim()}`);
    return places
      .map(({ place, as, isType }) => {
        if (place === undefined || isType) return '';
        const file = relative(dirname(path), place.file);
        const source = file.startsWith('.') ? file : `./${file}`;
        return `${verb} { ${place.name === as ? as : `${place.name} as ${as}`} } from '${source}';`;
      })
      .join(' ')
      .concat('\n'.repeat(whole.split('\n').length - 1));
  });
}

function exportsOf(file: string): Map<string, Place> {
  const found = known.get(file);
  if (found !== undefined) return found;
  const text = readFileSync(file, 'utf8');
  const exported = new Map<string, Place>();
  known.set(file, exported);
  for (const [, name = ''] of text.matchAll(OWN)) exported.set(name, { file, name });
  for (const [, from = ''] of text.matchAll(ALL))
    for (const [name, place] of exportsOf(resolve(dirname(file), from))) exported.set(name, place);
  for (const [, names = '', from = ''] of text.matchAll(NAMES)) {
    const source = resolve(dirname(file), from);
    for (const { name, as } of wordsOf(names))
      exported.set(as, exportsOf(source).get(name) ?? { file: source, name });
  }
  return exported;
}

function wordsOf(list: string): { name: string; as: string; isType: boolean }[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => {
      const isType = item.startsWith('type ');
      const [name = '', as = name] = item.replace(/^type /, '').split(/\s+as\s+/);
      return { name, as, isType };
    });
}
