export { type DescribedKind, describeKinds } from './described.ts';
export { type Builtins, builtinKinds, ENCRYPTED_COLLECTIONS } from './builtin.ts';
export {
  AGE_COLUMN,
  age,
  at,
  column,
  count,
  listAt,
  NAME_COLUMN,
  numberAt,
  selectorText,
  textAt,
} from './columns.ts';
export {
  isLabelValue,
  isQualifiedName,
  nameProblem,
  type NameRule,
  validateAnnotations,
  validateLabels,
} from './names.ts';
export {
  apiVersionOf,
  type Column,
  type Conversion,
  qualified,
  type Resource,
  type ScalePaths,
  STANDARD_VERBS,
  type Strategy,
} from './resource.ts';
