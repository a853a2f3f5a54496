import Schema from 'typebox/schema';
import { fromGo, RenderError } from '../go-template/index.ts';
import type { Chart, Values } from './chart.ts';

/** Checks values against the schemas of a chart and of those in it. Throws with every problem. */
export function checkSchemas(chart: Chart, values: Values): void {
  const problems = problemsOf(chart, values);
  if (problems.length > 0)
    throw new RenderError(
      `values don't meet the specifications of the schema(s) in the following chart(s):\n${problems.join('')}`,
    );
}

function problemsOf(chart: Chart, values: Values): string[] {
  const own = chart.schema === undefined ? [] : check(chart.metadata.name, chart.schema, values);
  const inner = chart.dependencies.flatMap((child) => {
    const table = values.get(child.metadata.name);
    return problemsOf(child, table instanceof Map ? (table as Values) : new Map());
  });
  return own.length === 0 ? inner : [`${chart.metadata.name}:\n${own.join('')}`, ...inner];
}

function check(name: string, schemaText: string, values: Values): string[] {
  let schema: object;
  try {
    schema = JSON.parse(schemaText) as object;
  } catch (error) {
    throw new RenderError(`the schema of ${name} is no JSON: ${(error as Error).message}`, { cause: error });
  }
  const [isRight, errors] = Schema.Errors(schema as never, fromGo(values));
  if (isRight) return [];
  return errors.map(({ instancePath, message }) => {
    const field = instancePath.slice(1).replaceAll('/', '.') || '(root)';
    return `- ${field}: ${message}\n`;
  });
}
