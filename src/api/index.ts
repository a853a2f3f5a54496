import { BASE_IMAGE } from './base-image.ts';
import { BUILD } from './build.ts';
import { CHANGE_REQUEST } from './change-request.ts';
import { ENDPOINT } from './endpoint.ts';
import { EVENT_DRIVER, EVENT_DRIVER_TYPE } from './event-driver.ts';
import { FUNCTION } from './function.ts';
import { GITOPS_REPOSITORY } from './gitops-repository.ts';
import { IMAGE } from './image.ts';
import type { Kind } from './kind.ts';
import { IMAGE_REPOSITORY } from './image-repository.ts';
import { ORGANIZATION, POLICY } from './policy.ts';
import { REPOSITORY } from './repository.ts';
import { SUBSCRIPTION } from './subscription.ts';

export { BASE_IMAGE } from './base-image.ts';
export { BUILD } from './build.ts';
export { CHANGE_REQUEST } from './change-request.ts';
export { type Definition, toDefinition } from './definition.ts';
export { ENDPOINT } from './endpoint.ts';
export { EVENT_DRIVER, EVENT_DRIVER_TYPE } from './event-driver.ts';
export { FUNCTION } from './function.ts';
export { GITOPS_REPOSITORY } from './gitops-repository.ts';
export { IMAGE } from './image.ts';
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
export { type Phase, PHASES } from './phase.ts';
export { ORGANIZATION, POLICY } from './policy.ts';
export { REPOSITORY } from './repository.ts';
export { SUBSCRIPTION } from './subscription.ts';

/** Every kind of ours. */
export const KINDS: readonly Kind[] = [
  REPOSITORY,
  IMAGE_REPOSITORY,
  BUILD,
  CHANGE_REQUEST,
  GITOPS_REPOSITORY,
  BASE_IMAGE,
  IMAGE,
  FUNCTION,
  ENDPOINT,
  EVENT_DRIVER_TYPE,
  EVENT_DRIVER,
  SUBSCRIPTION,
  POLICY,
  ORGANIZATION,
];
