export { DispatchfileRenderer, type RenderOptions } from './dispatchfile.ts';
export { generateDocument } from './document.ts';
export { globMatches, matchesGlobs } from './globs.ts';
export { needsOf, withNeeds } from './graph.ts';
export { LANGUAGES, type Language, languageOf } from './language.ts';
export { lint } from './lint.ts';
export {
  latestRelease,
  type ModuleName,
  type ModuleSource,
  type ModuleText,
  NO_MODULES,
  parseModuleName,
} from './modules.ts';
export { nearest } from './nearest.ts';
export type { Normalized } from './normalize.ts';
export type {
  Action,
  Condition,
  EnvVar,
  Pipeline,
  Resource,
  ResourceType,
  Step,
  Task,
  WhenExpression,
} from './pipeline.ts';
export { DispatchfileError, formatProblem, type Place, type Problem } from './problem.ts';
export { type Event, parseChatop, selectActions, tasksOf } from './select.ts';
