import { CelError, celValue, compileCel, isRecord, type Program } from '../../kube/index.ts';
import type { FieldError, FieldErrorKind } from './field-error.ts';
import type { Rule, Schema } from './schema.ts';

interface CompiledRule {
  rule: Rule;
  program: Program;
  message: Program | undefined;
  /** Compares with the value before: only runs on updates. */
  isTransition: boolean;
}

const VARIABLES = ['self', 'oldSelf'];
const KINDS: Record<string, FieldErrorKind> = {
  FieldValueInvalid: 'invalid',
  FieldValueForbidden: 'forbidden',
  FieldValueRequired: 'required',
  FieldValueDuplicate: 'duplicate',
};

const compiled = new WeakMap<Schema, CompiledRule[]>();

function rulesOf(schema: Schema): CompiledRule[] {
  let rules = compiled.get(schema);
  if (rules === undefined) {
    rules = (schema.rules ?? []).map((rule) => {
      const program = compileCel(rule.rule, VARIABLES);
      const message =
        rule.messageExpression === undefined ? undefined : compileCel(rule.messageExpression, VARIABLES);
      return { rule, program, message, isTransition: program.uses('oldSelf') };
    });
    compiled.set(schema, rules);
  }
  return rules;
}

/** Compiles every rule of a schema; reports those that are none. */
export function checkRules(schema: Schema, path: string, errors: FieldError[]): void {
  for (const [index, rule] of (schema.rules ?? []).entries()) {
    try {
      compileCel(rule.rule, VARIABLES);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      errors.push({
        kind: 'invalid',
        field: `${path}.x-kubernetes-validations[${index}].rule`,
        value: rule.rule,
        detail: `compilation failed: ${error.message}`,
      });
    }
  }
  for (const [name, field] of schema.properties ?? [])
    checkRules(field.schema, `${path}.properties[${name}]`, errors);
  if (schema.values) checkRules(schema.values, `${path}.additionalProperties`, errors);
  if (schema.items) checkRules(schema.items, `${path}.items`, errors);
}

/** Whether there is any rule below: most schemas have none and need no walk. */
export function hasRules(schema: Schema): boolean {
  if ((schema.rules?.length ?? 0) > 0) return true;
  if (schema.items && hasRules(schema.items)) return true;
  if (schema.values && hasRules(schema.values)) return true;
  return [...(schema.properties?.values() ?? [])].some((field) => hasRules(field.schema));
}

/** Runs the rules of a schema and of everything inside it. */
export function validateRules(
  schema: Schema,
  value: unknown,
  old: unknown,
  path: string,
  errors: FieldError[],
): void {
  if (value === undefined || value === null) return;
  for (const item of rulesOf(schema)) {
    const failure = runRule(item, schema, value, old, path);
    if (failure !== undefined) errors.push(failure);
  }
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) {
      if (schema.items)
        validateRules(schema.items, element, oldElement(schema, element, old), `${path}[${index}]`, errors);
    }
  } else if (isRecord(value)) {
    for (const [key, child] of Object.entries(value)) {
      const inner = schema.properties?.get(key)?.schema ?? schema.values;
      if (inner)
        validateRules(
          inner,
          child,
          isRecord(old) && Object.hasOwn(old, key) ? old[key] : undefined,
          path === '' ? key : `${path}.${key}`,
          errors,
        );
    }
  }
}

/** Only elements that keep their identity have a value before. */
function oldElement(schema: Schema, element: unknown, old: unknown): unknown {
  if (schema.listType !== 'map' || !Array.isArray(old) || !isRecord(element)) return undefined;
  return old.find(
    (item) => isRecord(item) && (schema.listKeys ?? []).every((key) => item[key] === element[key]),
  );
}

function runRule(
  item: CompiledRule,
  schema: Schema,
  value: unknown,
  old: unknown,
  path: string,
): FieldError | undefined {
  if (item.isTransition && old === undefined) return undefined;
  const { rule } = item;
  const field = rule.fieldPath === undefined ? path : `${path}${rule.fieldPath}`;
  const variables = {
    self: celValue(schema, value),
    oldSelf: old === undefined ? null : celValue(schema, old),
  };
  try {
    if (item.program.run(variables) === true) return undefined;
    const said = item.message === undefined ? undefined : String(item.message.run(variables));
    const kind = KINDS[rule.reason ?? ''] ?? 'invalid';
    const shown = isRecord(value) ? 'object' : Array.isArray(value) ? 'array' : value;
    return {
      kind,
      field: field === '' ? '<nil>' : field,
      value: shown,
      detail: said ?? rule.message ?? `failed rule: ${rule.rule}`,
    };
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return {
      kind: 'invalid',
      field: field === '' ? '<nil>' : field,
      value: 'object',
      detail: `rule evaluation error: ${error.message}`,
    };
  }
}
