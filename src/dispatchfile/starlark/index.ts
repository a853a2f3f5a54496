export { unpack } from './arguments.ts';
export { StarlarkFunction } from './function.ts';
export { JSON_MODULE } from './json-module.ts';
export { formatPosition, type Position, StarlarkError } from './position.ts';
export { loadsOf, runProgram } from './program.ts';
export { namespace, STRUCT } from './struct.ts';
export { display, repr } from './show.ts';
export { DEFAULT_LIMITS, type Limits, Thread } from './thread.ts';
export {
  Builtin,
  Bytes,
  Callable,
  type CallArguments,
  Dict,
  Extension,
  Float,
  freeze,
  isInt,
  List,
  Range,
  StarlarkSet,
  Tuple,
  typeOf,
  type Value,
  ValueError,
} from './values.ts';
