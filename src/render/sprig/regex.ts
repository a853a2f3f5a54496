import { RE2JS } from 're2js';
import { RenderError, type TemplateFunction } from '../go-template/index.ts';
import { intArg, textArg } from './arguments.ts';

/** Regular expressions whose time grows with the text alone. */
function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new RenderError(
      `error parsing regexp: ${(error as Error).message.replace(/^error parsing regexp: /, '')}`,
      { cause: error },
    );
  }
}

interface Found {
  from: number;
  to: number;
  groups: readonly (string | undefined)[];
  named: (name: string) => string;
}

function* matches(pattern: string, text: string): Generator<Found> {
  const regex = compile(pattern);
  const matcher = regex.matcher(text);
  let last = -1;
  while (matcher.find()) {
    const [from, to] = [matcher.start(), matcher.end()];
    // An empty match right behind another one does not count.
    if (from === to && from === last) continue;
    last = to;
    yield {
      from,
      to,
      groups: Array.from({ length: matcher.groupCount() + 1 }, (_, at) => matcher.group(at) ?? undefined),
      named: (name) => {
        try {
          return matcher.group(name) ?? '';
        } catch {
          return '';
        }
      },
    };
  }
}

function replaceAll(pattern: string, text: string, replacement: (found: Found) => string): string {
  let out = '';
  let at = 0;
  for (const found of matches(pattern, text)) {
    out += text.slice(at, found.from) + replacement(found);
    at = found.to;
  }
  return out + text.slice(at);
}

function expand(template: string, found: Found): string {
  return template.replaceAll(/\$(?:\$|(\w+)|\{(\w+)\})/g, (whole, plain?: string, braced?: string) => {
    if (whole === '$$') return '$';
    const name = plain ?? braced ?? '';
    return /^\d+$/.test(name) ? (found.groups[Number(name)] ?? '') : found.named(name);
  });
}

function both(name: string, work: TemplateFunction): Record<string, TemplateFunction> {
  return { [name]: work, [`must${name[0]!.toUpperCase()}${name.slice(1)}`]: work };
}

export const REGEX: Readonly<Record<string, TemplateFunction>> = {
  ...both('regexMatch', (pattern, text) => compile(textArg(pattern, 0)).matcher(textArg(text, 1)).find()),
  ...both('regexFind', (pattern, text) => {
    for (const { groups } of matches(textArg(pattern, 0), textArg(text, 1))) return groups[0] ?? '';
    return '';
  }),
  ...both('regexFindAll', (pattern, text, count) => {
    const most = intArg(count, 2);
    const found: string[] = [];
    for (const { groups } of matches(textArg(pattern, 0), textArg(text, 1))) {
      if (most >= 0 && found.length >= most) break;
      found.push(groups[0] ?? '');
    }
    return found;
  }),
  ...both('regexReplaceAll', (pattern, text, replacement) =>
    replaceAll(textArg(pattern, 0), textArg(text, 1), (found) => expand(textArg(replacement, 2), found)),
  ),
  ...both('regexReplaceAllLiteral', (pattern, text, replacement) =>
    replaceAll(textArg(pattern, 0), textArg(text, 1), () => textArg(replacement, 2)),
  ),
  ...both('regexSplit', (pattern, text, count) =>
    split(textArg(pattern, 0), textArg(text, 1), intArg(count, 2)),
  ),
  ...both('regexQuoteMeta', (text) => textArg(text, 0).replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&')),
};

function split(pattern: string, text: string, count: number): string[] {
  if (count === 0) return [];
  if (pattern !== '' && text === '') return [''];
  const parts: string[] = [];
  let at = 0;
  let end = 0;
  for (const { from, to } of matches(pattern, text)) {
    if (count > 0 && parts.length === count - 1) break;
    end = from;
    if (to !== 0) parts.push(text.slice(at, end));
    at = to;
  }
  if (end !== text.length) parts.push(text.slice(at));
  return parts;
}
