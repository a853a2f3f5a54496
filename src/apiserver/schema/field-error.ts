import type { StatusCause } from '../../kube/index.ts';

/** How a field can be wrong, with the words and codes that Kubernetes clients know. */
const KINDS = {
  required: ['FieldValueRequired', 'Required value'],
  invalid: ['FieldValueInvalid', 'Invalid value'],
  notSupported: ['FieldValueNotSupported', 'Unsupported value'],
  duplicate: ['FieldValueDuplicate', 'Duplicate value'],
  forbidden: ['FieldValueForbidden', 'Forbidden'],
  notFound: ['FieldValueNotFound', 'Not found'],
  typeInvalid: ['FieldValueTypeInvalid', 'Invalid value'],
  tooLong: ['FieldValueTooLong', 'Too long'],
  tooMany: ['FieldValueTooMany', 'Too many'],
} as const;

export type FieldErrorKind = keyof typeof KINDS;

export interface FieldError {
  kind: FieldErrorKind;
  field: string;
  value?: unknown;
  detail?: string;
}

const MAX_VALUE_TEXT = 200;

export function fieldErrorMessage(error: FieldError): string {
  const [, words] = KINDS[error.kind];
  const shown = showsValue(error) ? `${words}: ${shortJson(error.value)}` : words;
  return error.detail ? `${shown}: ${error.detail}` : shown;
}

export function fieldErrorCause(error: FieldError): StatusCause {
  return { reason: KINDS[error.kind][0], message: fieldErrorMessage(error), field: error.field };
}

export function unsupported(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const list = supported.map((item) => JSON.stringify(item)).join(', ');
  return { kind: 'notSupported', field, value, detail: `supported values: ${list}` };
}

function showsValue(error: FieldError): boolean {
  return !['required', 'forbidden', 'tooLong', 'tooMany'].includes(error.kind) && error.value !== undefined;
}

function shortJson(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  return text.length > MAX_VALUE_TEXT ? `${text.slice(0, MAX_VALUE_TEXT)}…` : text;
}
