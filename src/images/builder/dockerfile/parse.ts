export interface Heredoc {
  name: string;
  content: string;
  /** Without quotes around the name, variables in it are filled in. */
  expand: boolean;
}

export interface Instruction {
  name: string;
  flags: { name: string; value: string }[];
  /** What follows the name and the flags, with continuations joined. */
  text: string;
  heredocs: Heredoc[];
  line: number;
}

export interface Dockerfile {
  instructions: Instruction[];
  escape: '\\' | '`';
}

export class DockerfileError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = 'DockerfileError';
    this.line = line;
  }
}

const NAMES = new Set(
  'FROM RUN CMD LABEL MAINTAINER EXPOSE ENV ADD COPY ENTRYPOINT VOLUME USER WORKDIR ARG ONBUILD STOPSIGNAL HEALTHCHECK SHELL'.split(
    ' ',
  ),
);
const WITH_HEREDOC = new Set(['RUN', 'COPY', 'ADD']);
const HEREDOC = /(?<![<\w])<<(-?)(["']?)([A-Za-z_][\w.-]*)\2/g;
const MAX_BYTES = 4 * 1024 * 1024;

/** Takes a Dockerfile apart into instructions. */
export function parseDockerfile(text: string): Dockerfile {
  if (text.length > MAX_BYTES) throw new DockerfileError(1, 'the file is too large');
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const { escaper, start } = directives(lines);
  const instructions: Instruction[] = [];
  for (let at = start; at < lines.length; ) {
    if (isBlank(lines[at]!)) {
      at += 1;
      continue;
    }
    const first = at;
    const parts: string[] = [];
    for (;;) {
      const line = lines[at++] ?? '';
      if (parts.length > 0 && isBlank(line)) {
        if (at >= lines.length) break;
        continue;
      }
      if (!endsWithEscape(line, escaper)) {
        parts.push(line);
        break;
      }
      parts.push(line.replace(/\s+$/, '').slice(0, -1));
      if (at >= lines.length) break;
    }
    const instruction = split(parts.join(''), first + 1);
    if (WITH_HEREDOC.has(instruction.name)) at = readHeredocs(instruction, lines, at);
    instructions.push(instruction);
  }
  return { instructions, escape: escaper };
}

function directives(lines: readonly string[]): { escaper: '\\' | '`'; start: number } {
  let escaper: '\\' | '`' = '\\';
  let start = 0;
  for (; start < lines.length; start += 1) {
    const match = /^#\s*([a-zA-Z]+)\s*=\s*(.+?)\s*$/.exec(lines[start]!);
    if (match === null) break;
    const name = match[1]!.toLowerCase();
    if (name !== 'escape' && name !== 'syntax' && name !== 'check') break;
    if (name === 'escape') {
      if (match[2] !== '\\' && match[2] !== '`')
        throw new DockerfileError(
          start + 1,
          `the escape character is \\ or \`, not ${JSON.stringify(match[2])}`,
        );
      escaper = match[2];
    }
  }
  return { escaper, start };
}

function isBlank(line: string): boolean {
  return /^\s*(?:#.*)?$/.test(line);
}

function endsWithEscape(line: string, escaper: string): boolean {
  const trimmed = line.replace(/[ \t]+$/, '');
  if (!trimmed.endsWith(escaper)) return false;
  // An escaped escape is a character of its own.
  let count = 0;
  while (trimmed[trimmed.length - 1 - count] === escaper) count += 1;
  return count % 2 === 1;
}

function split(line: string, number: number): Instruction {
  const match = /^\s*(\S+)\s*([\s\S]*)$/.exec(line);
  const name = (match?.[1] ?? '').toUpperCase();
  if (!NAMES.has(name))
    throw new DockerfileError(number, `${JSON.stringify(match?.[1])} is no instruction of a Dockerfile`);
  let text = match?.[2]?.trim() ?? '';
  const flags: Instruction['flags'] = [];
  for (
    let flag = /^--([a-z-]+)(?:=("[^"]*"|'[^']*'|\S*))?(?:\s+|$)/.exec(text);
    flag !== null;
    flag = /^--([a-z-]+)(?:=("[^"]*"|'[^']*'|\S*))?(?:\s+|$)/.exec(text)
  ) {
    flags.push({ name: flag[1]!, value: (flag[2] ?? 'true').replace(/^(["'])(.*)\1$/, '$2') });
    text = text.slice(flag[0].length);
  }
  if (text === '' && name !== 'CMD' && name !== 'ENTRYPOINT')
    throw new DockerfileError(number, `${name} needs an argument`);
  return { name, flags, text, heredocs: [], line: number };
}

function readHeredocs(instruction: Instruction, lines: readonly string[], from: number): number {
  let at = from;
  for (const [, dash, quote, name = ''] of instruction.text.matchAll(HEREDOC)) {
    const content: string[] = [];
    for (;;) {
      if (at >= lines.length)
        throw new DockerfileError(instruction.line, `the text that begins with <<${name} never ends`);
      const line = dash === '-' ? lines[at]!.replace(/^\t+/, '') : lines[at]!;
      at += 1;
      if (line === name) break;
      content.push(line);
    }
    instruction.heredocs.push({
      name,
      content: content.map((line) => `${line}\n`).join(''),
      expand: quote === '',
    });
  }
  return at;
}

/** The JSON form of a command, or undefined when it is in the form of a shell. */
export function execForm(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const words: unknown = JSON.parse(text);
    return Array.isArray(words) && words.every((word) => typeof word === 'string') ? words : undefined;
  } catch {
    return undefined;
  }
}
