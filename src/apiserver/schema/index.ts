export { parseTypes, type TypeModule } from './notation.ts';
export type { Field, Rule, Schema, SchemaType } from './schema.ts';
export { decode, type DecodeFindings } from './decode.ts';
export { type FieldError, fieldErrorCause, fieldErrorMessage, unsupported } from './field-error.ts';
export { matchesFormat } from './formats.ts';
export { validate } from './validate.ts';
export { checkRules, hasRules, validateRules } from './rules.ts';
