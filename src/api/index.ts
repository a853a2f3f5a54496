import { BUILD } from './build.ts';
import { CHANGE_REQUEST } from './change-request.ts';
import { GITOPS_REPOSITORY } from './gitops-repository.ts';
import type { Kind } from './kind.ts';
import { IMAGE_REPOSITORY } from './image-repository.ts';
import { REPOSITORY } from './repository.ts';

export { BUILD } from './build.ts';
export { CHANGE_REQUEST } from './change-request.ts';
export { type Definition, toDefinition } from './definition.ts';
export { GITOPS_REPOSITORY } from './gitops-repository.ts';
export { IMAGE_REPOSITORY } from './image-repository.ts';
export {
  type CustomObject,
  defineKind,
  GROUP,
  type Kind,
  type PrinterColumn,
  type SpecProblem,
  validateSpec,
  VERSION,
  withDefaults,
} from './kind.ts';
export { REPOSITORY } from './repository.ts';

/** Every kind of ours. */
export const KINDS: readonly Kind[] = [
  REPOSITORY,
  IMAGE_REPOSITORY,
  BUILD,
  CHANGE_REQUEST,
  GITOPS_REPOSITORY,
];
