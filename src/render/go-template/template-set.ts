import type { TemplateTree } from './ast.ts';
import { type Execution, type Limits, Run } from './execute.ts';
import { BUILTINS, type TemplateFunction } from './functions.ts';
import type { Delimiters } from './lexer.ts';
import { parseTemplate } from './parser.ts';
import { EndlessError, RenderError } from './problem.ts';
import type { Value } from './values.ts';

export interface TemplateOptions {
  /** Functions of its own; some of them may call templates of the same set. */
  functions?: (set: TemplateSet) => Readonly<Record<string, TemplateFunction>>;
  marks?: Delimiters;
  strict?: boolean;
  limits?: Partial<Limits>;
}

const LIMITS: Limits = { steps: 5_000_000, output: 32 * 1024 * 1024, depth: 1000 };

/** Templates that know each other by name. */
export class TemplateSet {
  readonly #options: TemplateOptions;
  readonly #templates: Map<string, TemplateTree>;
  readonly #functions: Readonly<Record<string, TemplateFunction>>;
  readonly #execution: Execution;

  constructor(options: TemplateOptions = {}, like?: TemplateSet) {
    this.#options = options;
    this.#templates = new Map(like === undefined ? [] : like.#templates);
    this.#functions = { ...BUILTINS, ...options.functions?.(this) };
    this.#execution = {
      templates: this.#templates,
      functions: this.#functions,
      limits: { ...LIMITS, ...options.limits },
      // Copies work on the same account.
      used: like === undefined ? { steps: 0, depth: 0 } : like.#execution.used,
      strict: options.strict ?? false,
    };
  }

  /** A set that knows the same templates, and may come to know others. */
  copy(functions: NonNullable<TemplateOptions['functions']>): TemplateSet {
    return new TemplateSet({ ...this.#options, functions }, this);
  }

  /** What a template defines again takes the place of what was there, unless it is empty. */
  add(name: string, source: string): void {
    const trees = parseTemplate(name, source, {
      isFunction: (word) => Object.hasOwn(this.#functions, word),
      ...(this.#options.marks && { marks: this.#options.marks }),
    });
    for (const tree of trees) {
      if (this.#templates.has(tree.name) && isEmpty(tree)) continue;
      this.#templates.set(tree.name, tree);
    }
  }

  has(name: string): boolean {
    return this.#templates.has(name);
  }

  /** The names that trees came in under. */
  names(): string[] {
    return [...this.#templates.keys()];
  }

  render(name: string, data: Value): string {
    const tree = this.#templates.get(name);
    if (tree === undefined)
      throw new RenderError(`template: no template ${JSON.stringify(name)} associated with template "gotpl"`);
    const { used } = this.#execution;
    const { depth } = used;
    try {
      return new Run(this.#execution, tree, data).text();
    } catch (error) {
      if (error instanceof RangeError && /call stack/.test(error.message))
        throw new EndlessError(`template: ${name}: the template calls itself without an end`, {
          cause: error,
        });
      throw error;
    } finally {
      used.depth = depth;
    }
  }
}

function isEmpty({ body }: TemplateTree): boolean {
  return body.every((node) => node.type === 'text' && node.text.trim() === '');
}
