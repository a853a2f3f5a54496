import { RenderError, TemplateSet, type Value } from './go-template/index.ts';

const MARKS = { left: '$({', right: '})' };

/** Fills in a template of a GitOps repository: `$({ .name })`. A name that nobody gives is an error. */
export function fillTemplate(file: string, text: string, values: Readonly<Record<string, string>>): string {
  const set = new TemplateSet({ marks: MARKS, strict: true });
  set.add(file, text);
  try {
    return set.render(file, new Map<string, Value>(Object.entries(values)));
  } catch (error) {
    throw new RenderError((error as Error).message.replace(/^template: /, ''), { cause: error });
  }
}
