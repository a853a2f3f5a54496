import { quoteGo } from './quote.ts';

/** A value in an action. `at` is where it begins in the source of its template. */
export type Expression =
  | { type: 'dot'; at: number }
  | { type: 'nil'; at: number }
  | { type: 'constant'; at: number; value: unknown; text: string }
  | { type: 'field'; at: number; names: string[] }
  | { type: 'variable'; at: number; name: string; names: string[] }
  | { type: 'function'; at: number; name: string }
  /** Fields of something in parentheses. */
  | { type: 'chain'; at: number; of: Expression; names: string[] }
  | { type: 'pipe'; at: number; pipe: Pipe };

export interface CommandNode {
  at: number;
  /** What is called or shown, and its arguments. */
  words: Expression[];
}

export interface Pipe {
  at: number;
  names: string[];
  assigns: boolean;
  commands: CommandNode[];
}

export type Node =
  | { type: 'text'; text: string }
  | { type: 'show'; at: number; pipe: Pipe }
  | { type: 'if' | 'with' | 'range'; at: number; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { type: 'template'; at: number; name: string; pipe: Pipe | undefined }
  | { type: 'break' | 'continue'; at: number };

export interface TemplateTree {
  name: string;
  /** The file that it stands in: what errors name. */
  file: string;
  source: string;
  body: Node[];
}

/** An expression as Go prints it in errors. */
export function textOf(node: Expression): string {
  switch (node.type) {
    case 'dot':
      return '.';
    case 'nil':
      return 'nil';
    case 'constant':
      return typeof node.value === 'string' && !node.text.startsWith("'")
        ? node.text || quoteGo(node.value)
        : node.text;
    case 'field':
      return node.names.map((name) => `.${name}`).join('');
    case 'variable':
      return [node.name, ...node.names].join('.');
    case 'function':
      return node.name;
    case 'chain':
      return `${textOf(node.of)}${node.names.map((name) => `.${name}`).join('')}`;
    case 'pipe':
      return `(${textOfPipe(node.pipe)})`;
  }
}

export function textOfPipe(pipe: Pipe): string {
  const names = pipe.names.length === 0 ? '' : `${pipe.names.join(', ')} ${pipe.assigns ? '=' : ':='} `;
  return names + pipe.commands.map(textOfCommand).join(' | ');
}

export function textOfCommand({ words }: CommandNode): string {
  return words.map(textOf).join(' ');
}
