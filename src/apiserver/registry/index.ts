export { decodeObject, encodeObject, invalid, notFound, parseEntry, reportProblems, shape } from './codec.ts';
export {
  type Admission,
  type Attributes,
  type Call,
  objectKey,
  type Operation,
  SYSTEM_USER,
  systemCall,
  type User,
} from './context.ts';
export { create, nameSuffix } from './create.ts';
export {
  type Deleted,
  deletedStatus,
  type DeleteOptions,
  FOREGROUND,
  ORPHAN,
  parseDeleteOptions,
  remove,
} from './delete.ts';
export { type RegistryDeps, timestamp, type Written } from './deps.ts';
export { get, list, type ListQuery, parseListQuery, select } from './read.ts';
export { readScale, SCALE_COLUMNS, writeScale } from './scale.ts';
export { matchesFields, matchesLabels, parseLabelSelector, type Selector, selectorOf } from './selectors.ts';
export {
  AppliedMemory,
  applyObject,
  type Changer,
  conflict,
  modify,
  patch,
  type Target,
  update,
} from './update.ts';
export { renderEntry, renderObjects, renderWritten, type View, viewOf } from './views.ts';
export { ChunkCache, parseWatchQuery, type Sink, Watch } from './watch.ts';
export { Turns } from './turns.ts';
