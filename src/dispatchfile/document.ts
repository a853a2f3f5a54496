import type { StarlarkOptions } from './starlark-pipeline/evaluate.ts';
import { runStarlark } from './starlark-pipeline/evaluate.ts';
import { StarlarkFunction } from './starlark/index.ts';

/** Markdown about a Starlark library, from its `__doc__` and the first strings of its functions. */
export async function generateDocument(text: string, options: StarlarkOptions): Promise<string> {
  const globals = await runStarlark(text, options);
  const about = globals.get('__doc__');
  const parts = typeof about === 'string' ? [dedent(about)] : [];
  for (const [name, value] of globals) {
    if (name.startsWith('_') || !(value instanceof StarlarkFunction)) continue;
    const parameters = value.code.parameters.map((item) =>
      item.kind === 'args'
        ? `*${item.name}`
        : item.kind === 'kwargs'
          ? `**${item.name}`
          : item.kind === 'separator'
            ? '*'
            : item.name,
    );
    parts.push(`### ${name}(${parameters.join(', ')})`);
    if (value.code.doc !== undefined) parts.push(dedent(value.code.doc));
  }
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function dedent(text: string): string {
  const lines = text.replace(/^\n/, '').trimEnd().split('\n');
  const indents = lines
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents, Number.MAX_SAFE_INTEGER);
  return lines
    .map((line, at) =>
      at === 0 ? line.trimStart() : line.slice(Math.min(indent, line.length - line.trimStart().length)),
    )
    .join('\n')
    .trim();
}
