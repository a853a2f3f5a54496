export { ArgumentError, BUILTINS, type TemplateFunction, wrongType } from './functions.ts';
export { show, showFloat, sprint, sprintf } from './format.ts';
export { EndlessError, RenderError } from './problem.ts';
export { quoteGo } from './quote.ts';
export { TemplateError } from './execute.ts';
export { TemplateSet, type TemplateOptions } from './template-set.ts';
export {
  compareBytes,
  fromGo,
  type GoMap,
  Int64,
  integerIn,
  isTrue,
  kindOf,
  sortedKeys,
  Struct,
  Time,
  toGo,
  typeOf,
  type Value,
  withMethods,
} from './values.ts';
