import type { StepImages } from '../../../ci/index.ts';

/** What the platform adds to a pipeline runs in images that are made of this machine's programs, or in none at all. */
export const STEP_IMAGES: StepImages = {
  git: 'dispatch.local/git',
  shell: 'dispatch.local/shell',
  artifacts: 'dispatch.local/artifacts',
};
