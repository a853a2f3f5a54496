import { RE2JS } from 're2js';

type Variables = Readonly<Record<string, string>>;

/** Fills variables into words: $name, ${name}, and the forms of a shell with a default or a replacement. */
export function expandVariables(text: string, variables: Variables, escaper = '\\'): string {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const char = text[at]!;
    if (char === escaper && at + 1 < text.length) {
      out += text[at + 1] === '$' ? '$' : char + text[at + 1]!;
      at += 2;
    } else if (char === "'") {
      const end = text.indexOf("'", at + 1);
      const stop = end < 0 ? text.length : end + 1;
      out += text.slice(at, stop);
      at = stop;
    } else if (char === '$') {
      const { value, next } = variable(text, at, variables, escaper);
      out += value;
      at = next;
    } else {
      out += char;
      at += 1;
    }
  }
  return out;
}

/** Words as a shell would part them, quotes removed. */
export function splitWords(text: string, escaper = '\\'): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!;
    if (char === '"' || char === "'") {
      word ??= '';
      for (at += 1; at < text.length && text[at] !== char; at += 1) {
        if (text[at] === escaper && char === '"' && at + 1 < text.length) at += 1;
        word += text[at];
      }
    } else if (char === escaper && at + 1 < text.length) {
      word = (word ?? '') + text[++at]!;
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

function variable(
  text: string,
  at: number,
  variables: Variables,
  escaper: string,
): { value: string; next: number } {
  const plain = /^\$([A-Za-z_]\w*)/.exec(text.slice(at, at + 256));
  if (plain !== null) return { value: variables[plain[1]!] ?? '', next: at + plain[0].length };
  if (text[at + 1] !== '{') return { value: '$', next: at + 1 };
  const end = closing(text, at + 2);
  const body = text.slice(at + 2, end);
  const match = /^([A-Za-z_]\w*)([\s\S]*)$/.exec(body);
  if (match === null) throw new Error(`\${${body}} is no variable`);
  const [, name = '', rest = ''] = match;
  return { value: modified(variables[name], rest, variables, escaper, name), next: end + 1 };
}

function modified(
  value: string | undefined,
  rest: string,
  variables: Variables,
  escaper: string,
  name: string,
): string {
  if (rest === '') return value ?? '';
  const fill = (text: string): string => expandVariables(text, variables, escaper);
  const operator = /^(:?[-+?])([\s\S]*)$/.exec(rest);
  if (operator !== null) {
    const isSet = operator[1]!.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
    if (operator[1]!.endsWith('-')) return isSet ? value! : fill(operator[2]!);
    if (operator[1]!.endsWith('+')) return isSet ? fill(operator[2]!) : '';
    if (!isSet) throw new Error(`${name}: ${fill(operator[2]!) || 'is not set'}`);
    return value!;
  }
  const trim = /^(##?|%%?)([\s\S]*)$/.exec(rest);
  if (trim !== null) return trimmed(value ?? '', trim[1]!, fill(trim[2]!));
  const replace = /^(\/\/?)((?:[^/\\]|\\.)*)\/?([\s\S]*)$/.exec(rest);
  if (replace !== null) {
    const matcher = compile(wildcard(fill(replace[2]!), false)).matcher(value ?? '');
    const text = fill(replace[3]!).replaceAll(/[\\$]/g, '\\$&');
    return replace[1] === '//' ? matcher.replaceAll(text) : matcher.replaceFirst(text);
  }
  throw new Error(`\${${name}${rest}} is not understood`);
}

function trimmed(value: string, kind: string, pattern: string): string {
  const greedy = kind.length === 2;
  if (kind.startsWith('#')) {
    const matcher = compile(wildcard(pattern, !greedy)).matcher(value);
    return matcher.lookingAt() ? value.slice(matcher.end()) : value;
  }
  const whole = compile(`(.*${greedy ? '?' : ''})${wildcard(pattern, !greedy)}`).matcher(value);
  return whole.matches() ? (whole.group(1) ?? '') : value;
}

/** Patterns come with what is built: they run on an engine whose time grows with the text only. */
function compile(source: string): RE2JS {
  return RE2JS.compile(source, RE2JS.DOTALL);
}

function wildcard(pattern: string, lazy: boolean): string {
  return pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('?', '.')
    .replaceAll(/\*+/g, lazy ? '.*?' : '.*');
}

function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    if (text[at] === '}' && --depth === 0) return at;
  }
  throw new Error('a "${" is never closed');
}
