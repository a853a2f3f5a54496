import { ApiError, isRecord, type KubeObject } from '../../kube/index.ts';
import { at, isLabelValue, isQualifiedName, type Resource, qualified } from '../kinds/index.ts';

type Operator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';

export interface Requirement {
  key: string;
  operator: Operator;
  values: readonly string[];
}

/** A conjunction of requirements; the empty one matches everything. */
export type Selector = readonly Requirement[];

const MAX_SELECTOR = 64 * 1024;
const SET_TERM = /^([^\s!=,()<>]+)\s+(in|notin)\s*\(([^()]*)\)$/;
const VALUE_TERM = /^([^\s!=,()<>]+)\s*(==|=|!=|>|<)\s*([^\s!=,()<>]*)$/;
const KEY_TERM = /^(!?)\s*([^\s!=,()<>]+)$/;

export function parseLabelSelector(text: string): Selector {
  if (text.length > MAX_SELECTOR) throw badSelector('label', `${text.slice(0, 60)}…`, 'it is too long');
  return splitTerms(text).map(parseTerm);
}

/** Splits at commas outside parentheses. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index <= text.length; index++) {
    const char = text[index];
    if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === undefined || (char === ',' && depth === 0)) {
      terms.push(text.slice(start, index).trim());
      start = index + 1;
    }
  }
  return terms.length === 1 && terms[0] === '' ? [] : terms;
}

function parseTerm(term: string): Requirement {
  const requirement = readTerm(term);
  if (requirement === undefined) throw badSelector('label', term, 'it is no requirement');
  if (!isQualifiedName(requirement.key))
    throw badSelector('label', term, `${JSON.stringify(requirement.key)} is no label key`);
  const badValue = requirement.values.find((value) => !isLabelValue(value));
  if (badValue !== undefined)
    throw badSelector('label', term, `${JSON.stringify(badValue)} is no label value`);
  return requirement;
}

function readTerm(term: string): Requirement | undefined {
  const set = SET_TERM.exec(term);
  if (set !== null) {
    return {
      key: set[1]!,
      operator: set[2] as Operator,
      values: set[3]!.split(',').map((value) => value.trim()),
    };
  }
  const value = VALUE_TERM.exec(term);
  if (value !== null) {
    return {
      key: value[1]!,
      operator: (value[2] === '==' ? '=' : value[2]) as Operator,
      values: [value[3]!],
    };
  }
  const key = KEY_TERM.exec(term);
  return key === null ? undefined : { key: key[2]!, operator: key[1] === '!' ? '!' : 'exists', values: [] };
}

export function matchesLabels(
  selector: Selector,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return selector.every((requirement) => {
    const { key } = requirement;
    return satisfies(
      requirement,
      labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined,
    );
  });
}

function satisfies({ operator, values }: Requirement, actual: string | undefined): boolean {
  switch (operator) {
    case '=':
    case 'in':
      return actual !== undefined && values.includes(actual);
    case '!=':
    case 'notin':
      return actual === undefined || !values.includes(actual);
    case 'exists':
      return actual !== undefined;
    case '!':
      return actual === undefined;
    case '>':
      return actual !== undefined && Number(actual) > Number(values[0]);
    case '<':
      return actual !== undefined && Number(actual) < Number(values[0]);
  }
}

/** Field selectors compare whole values; only the fields that the resource offers may be used. */
export function parseFieldSelector(text: string, resource: Resource): Selector {
  if (text.length > MAX_SELECTOR) throw badSelector('field', `${text.slice(0, 60)}…`, 'it is too long');
  if (text.trim() === '') return [];
  return text.split(',').map((term) => {
    const match = /^([^!=]+)(==|=|!=)(.*)$/.exec(term.trim());
    if (match === null) throw badSelector('field', term, 'it is no comparison');
    const key = match[1]!.trim();
    if (key !== 'metadata.name' && key !== 'metadata.namespace' && !resource.selectable.includes(key)) {
      const offered = ['metadata.name', 'metadata.namespace', ...resource.selectable].join(', ');
      throw new ApiError(
        'BadRequest',
        `${JSON.stringify(key)} is not a known field selector of ${qualified(resource)}: only ${offered} are.`,
      );
    }
    return { key, operator: match[2] === '!=' ? '!=' : '=', values: [match[3]!] };
  });
}

export function matchesFields(selector: Selector, object: KubeObject): boolean {
  return selector.every((requirement) => {
    const value = at(object, requirement.key);
    return satisfies(
      requirement,
      value === undefined || value === null ? '' : isRecord(value) ? '' : String(value),
    );
  });
}

/** The value that an `=` requirement pins a field to. */
export function pinned(selector: Selector, key: string): string | undefined {
  return selector.find((requirement) => requirement.key === key && requirement.operator === '=')?.values[0];
}

/** A LabelSelector object (matchLabels, matchExpressions) as requirements. */
export function selectorOf(value: unknown): Selector {
  if (!isRecord(value)) return [];
  const labels = isRecord(value['matchLabels']) ? Object.entries(value['matchLabels']) : [];
  const requirements: Requirement[] = labels.map(([key, label]) => ({
    key,
    operator: '=',
    values: [String(label)],
  }));
  const operators: Record<string, Operator> = {
    In: 'in',
    NotIn: 'notin',
    Exists: 'exists',
    DoesNotExist: '!',
  };
  for (const item of Array.isArray(value['matchExpressions']) ? value['matchExpressions'] : []) {
    const operator = operators[String(at(item, 'operator'))];
    const values = at(item, 'values');
    if (operator === undefined) throw badSelector('label', JSON.stringify(item), 'its operator is unknown');
    requirements.push({
      key: String(at(item, 'key')),
      operator,
      values: Array.isArray(values) ? values.map(String) : [],
    });
  }
  return requirements;
}

function badSelector(kind: 'label' | 'field', term: string, why: string): ApiError {
  return new ApiError(
    'BadRequest',
    `Unable to parse the ${kind} selector at ${JSON.stringify(term)}: ${why}.`,
  );
}
