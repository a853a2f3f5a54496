const BLOCK_HEADER = /(?:^|[:?-]\s+)(?:[!&]\S*\s+)*[|>][-+\d]{0,2}\s*(?:#.*)?$/;
const PAD = ' '.repeat(120);

/**
 * The same YAML, with the lines further in that go on with a quoted text or with something in brackets. The language
 * wants them there, and most readers do not care; manifests that were written for those have them anywhere.
 */
export function indentContinuations(text: string): string {
  let quote = '';
  let depth = 0;
  let block: number | undefined;
  const lines = text.split('\n').map((line) => {
    const indent = line.search(/\S/);
    if (block !== undefined && (indent < 0 || indent > block)) return line;
    block = undefined;
    const isContinued = quote !== '' || depth > 0;
    const open = isContinued ? '' : line;
    ({ quote, depth } = scan(line, quote, depth));
    if (quote === '' && depth === 0 && open !== '' && BLOCK_HEADER.test(open)) block = indent;
    return isContinued && indent >= 0 ? PAD + line : line;
  });
  return lines.join('\n');
}

/** What is still open at the end of a line. */
function scan(line: string, quoteBefore: string, depthBefore: number): { quote: string; depth: number } {
  let quote = quoteBefore;
  let depth = depthBefore;
  // Only what begins a value can open something: within a text without quotes they are letters.
  let mayBegin = true;
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at]!;
    if (quote !== '') {
      if (quote === '"' && char === '\\') at += 1;
      else if (char === quote && quote === "'" && line[at + 1] === "'") at += 1;
      else if (char === quote) quote = '';
      continue;
    }
    const isSpaceNext = at + 1 === line.length || line[at + 1] === ' ';
    if (char === ' ' || char === '\t') continue;
    if (char === '#' && (at === 0 || line[at - 1] === ' ')) break;
    if (mayBegin && (char === '!' || char === '&')) {
      while (at + 1 < line.length && line[at + 1] !== ' ') at += 1;
      continue;
    }
    if (mayBegin && (char === '"' || char === "'")) quote = char;
    if (mayBegin && (char === '[' || char === '{')) depth += 1;
    else if ((char === ']' || char === '}') && depth > 0) depth -= 1;
    const opens: boolean = '[{'.includes(char) && mayBegin;
    mayBegin = opens || (depth > 0 && char === ',') || (':-?'.includes(char) && isSpaceNext);
  }
  return { quote, depth };
}
