import { type CueToken, cueTokens, isLabel } from './tokens.ts';

export interface Rewritten {
  text: string;
  /** The offset in the text of the user that an offset in the rewritten text came from. */
  sourceOffset: (offset: number) => number;
}

const KEYWORDS = new Set(['for', 'in', 'if', 'let', 'import', 'package', 'div', 'mod', 'quo', 'rem']);
const CALLS = new Set(['push', 'tag', 'pull_request', 'release']);

/**
 * Older files put several labels before one colon, and call `pull_request()`. Both are written as CUE has it today,
 * token by token, so that every error still points at what the user wrote.
 */
export function rewriteOldSpellings(text: string): Rewritten {
  const edits: { at: number; remove: number; insert: string }[] = [];
  const tokens = cueTokens(text);
  for (let at = 0; at < tokens.length; at += 1) {
    const run = labelsFrom(tokens, at);
    if (
      run.length >= 2 &&
      tokens[at + run.length]?.text === ':' &&
      !run.some((token) => KEYWORDS.has(token.text))
    ) {
      for (const label of run.slice(0, -1))
        edits.push({ at: label.offset + label.text.length, remove: 0, insert: ':' });
    }
    const token = tokens[at]!;
    const [open, close] = [tokens[at + 1], tokens[at + 2]];
    if (CALLS.has(token.text) && open?.text === '(' && close?.text === ')')
      edits.push({ at: open.offset, remove: close.offset + 1 - open.offset, insert: ': {}' });
    at += Math.max(0, run.length - 1);
  }
  return apply(text, edits);
}

function labelsFrom(tokens: readonly CueToken[], start: number): CueToken[] {
  const run: CueToken[] = [];
  for (let at = start; isLabel(tokens[at]); at += 1) run.push(tokens[at]!);
  return run;
}

function apply(text: string, edits: readonly { at: number; remove: number; insert: string }[]): Rewritten {
  let result = '';
  let done = 0;
  /** Where the two texts are no longer the same distance apart. */
  const shifts: { from: number; by: number }[] = [{ from: 0, by: 0 }];
  for (const { at, remove, insert } of edits) {
    result += text.slice(done, at) + insert;
    done = at + remove;
    shifts.push({ from: result.length, by: done - result.length });
  }
  result += text.slice(done);
  return {
    text: result,
    sourceOffset: (offset) => {
      const shift = shifts.findLast((item) => item.from <= offset) ?? shifts[0]!;
      return Math.min(Math.max(0, offset + shift.by), text.length);
    },
  };
}
