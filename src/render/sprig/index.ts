import type { TemplateFunction } from '../go-template/index.ts';
import { certificates } from './certificates.ts';
import { CRYPTO } from './crypto.ts';
import { DATA } from './data.ts';
import { dates } from './dates.ts';
import { LISTS } from './lists.ts';
import { MAPS } from './maps.ts';
import { NUMBERS } from './numbers.ts';
import { REFLECTION } from './reflection.ts';
import { REGEX } from './regex.ts';
import { SEMVER } from './semver.ts';
import { STRINGS } from './strings.ts';
import { URLS } from './urls.ts';

const PATHS = { osBase: 'base', osDir: 'dir', osClean: 'clean', osExt: 'ext', osIsAbs: 'isAbs' } as const;

/** The functions that charts know besides those of Go's templates: Sprig's, but for those that look at the machine. */
export function sprig(now: () => number): Readonly<Record<string, TemplateFunction>> {
  return {
    ...STRINGS,
    ...Object.fromEntries(Object.entries(PATHS).map(([name, same]) => [name, STRINGS[same]!])),
    ...LISTS,
    ...MAPS,
    ...NUMBERS,
    ...REFLECTION,
    ...REGEX,
    ...SEMVER,
    ...DATA,
    ...dates(now),
    ...URLS,
    ...CRYPTO,
    ...certificates(now),
  };
}
