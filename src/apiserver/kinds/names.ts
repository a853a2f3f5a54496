import type { FieldError } from '../schema/index.ts';

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const MAX_ANNOTATIONS = 256 * 1024;

const SUBDOMAIN_HELP =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const LABEL_HELP =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";

export type NameRule = 'subdomain' | 'label' | 'path';

/** Why a name cannot be one, or undefined. */
export function nameProblem(name: string, rule: NameRule): string | undefined {
  if (rule === 'path') {
    if (name === '.' || name === '..') return `may not be '${name}'`;
    const forbidden = name.includes('/') ? '/' : name.includes('%') ? '%' : undefined;
    if (forbidden !== undefined) return `may not contain '${forbidden}'`;
    return name.length > 1024 ? 'must be no more than 1024 characters' : undefined;
  }
  const limit = rule === 'label' ? 63 : 253;
  if (name.length > limit) return `must be no more than ${limit} characters`;
  if (rule === 'label') return LABEL.test(name) ? undefined : LABEL_HELP;
  return SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_HELP;
}

export function isQualifiedName(key: string): boolean {
  const parts = key.split('/');
  if (parts.length > 2) return false;
  const [prefix, name] = parts.length === 2 ? parts : [undefined, parts[0]];
  if (prefix !== undefined && (prefix.length > 253 || !SUBDOMAIN.test(prefix))) return false;
  return name !== undefined && name.length > 0 && name.length <= 63 && QUALIFIED.test(name);
}

export function isLabelValue(value: string): boolean {
  return value.length <= 63 && LABEL_VALUE.test(value);
}

export function validateLabels(labels: Record<string, string> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (!isQualifiedName(key))
      errors.push({
        kind: 'invalid',
        field: path,
        value: key,
        detail:
          "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      });
    if (!isLabelValue(value)) {
      errors.push({
        kind: 'invalid',
        field: path,
        value,
        detail:
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      });
    }
  }
  return errors;
}

export function validateAnnotations(annotations: Record<string, string> | undefined): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    size += key.length + value.length;
    if (!isQualifiedName(key.toLowerCase())) {
      errors.push({
        kind: 'invalid',
        field: 'metadata.annotations',
        value: key,
        detail: 'must be a qualified name',
      });
    }
  }
  if (size > MAX_ANNOTATIONS)
    errors.push({
      kind: 'tooLong',
      field: 'metadata.annotations',
      detail: `may not be more than ${MAX_ANNOTATIONS} bytes`,
    });
  return errors;
}
