/** The tokens of CUE, as far as rewriting older spellings and finding places needs them. */
export interface CueToken {
  kind: 'name' | 'string' | 'symbol' | 'newline';
  text: string;
  offset: number;
}

const PATTERN =
  /(?<space>[ \t\r]+)|(?<newline>\n)|(?<comment>\/\/[^\n]*)|(?<string>#*"""[\s\S]*?"""#*|#*'''[\s\S]*?'''#*|#+"[\s\S]*?"#+|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?<name>[#_$\p{L}][\w$\p{L}]*)|(?<symbol>[\s\S])/uy;

export function cueTokens(text: string): CueToken[] {
  const tokens: CueToken[] = [];
  PATTERN.lastIndex = 0;
  for (let found = PATTERN.exec(text); found !== null; found = PATTERN.exec(text)) {
    const { groups = {}, index, 0: matched } = found;
    for (const kind of ['newline', 'string', 'name', 'symbol'] as const)
      if (groups[kind] !== undefined) tokens.push({ kind, text: matched, offset: index });
    if (PATTERN.lastIndex >= text.length) break;
  }
  return tokens;
}

export function isLabel(token: CueToken | undefined): token is CueToken {
  return token?.kind === 'name' || (token?.kind === 'string' && token.text.startsWith('"'));
}

/** The name that a label stands for. */
export function labelName(token: CueToken): string {
  if (token.kind === 'name') return token.text;
  try {
    return JSON.parse(token.text) as string;
  } catch {
    return token.text.slice(1, -1);
  }
}
