import type { LabelSelector } from './pod.ts';

type Labels = Readonly<Record<string, string>>;

/** Whether labels satisfy a selector as objects carry them. An absent selector matches nothing, an empty one all. */
export function matchesSelector(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  if (selector === undefined) return false;
  const all = labels ?? {};
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => all[key] === value) &&
    (selector.matchExpressions ?? []).every((item) => matchesExpression(item, all))
  );
}

/** Whether labels have all of some pairs: the selector of a Service. */
export function hasLabels(wanted: Labels, labels: Labels | undefined): boolean {
  return Object.entries(wanted).every(([key, value]) => labels?.[key] === value);
}

export function matchesExpression(
  expression: { key: string; operator: string; values?: string[] },
  labels: Labels,
): boolean {
  const { key, operator, values = [] } = expression;
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/** The text form that list and watch requests take. */
export function selectorText(selector: LabelSelector): string {
  const pairs = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
  });
  return [...pairs, ...expressions].join(',');
}
