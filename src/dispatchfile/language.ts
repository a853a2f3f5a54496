import { DispatchfileError } from './problem.ts';

export const LANGUAGES = ['cue', 'starlark', 'json', 'yaml'] as const;
export type Language = (typeof LANGUAGES)[number];

/** The language that the first line chooses. Without such a line it is CUE. */
export function languageOf(text: string, file: string): Language {
  const [first = ''] = text.split('\n', 1);
  if (!first.startsWith('#!')) return 'cue';
  const named = first.slice(2).trim();
  const short = LANGUAGES.find((language) => named === language);
  if (short !== undefined) return short;
  const found = /^mesosphere\/dispatch-(\w+):v?([\w.-]+)$/.exec(named);
  const language = LANGUAGES.find((item) => item === found?.[1]);
  if (language !== undefined) return language;
  throw new DispatchfileError([
    {
      message: `the first line names no language that is known: write "#!mesosphere/dispatch-<language>:v<version>" with one of ${LANGUAGES.join(', ')}`,
      place: { file, line: 1, column: 1 },
    },
  ]);
}
