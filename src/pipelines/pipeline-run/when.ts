import { allHold, BadExpressionError } from '../../kube/index.ts';
import { RunProblem } from '../params.ts';
import type { WhenExpression } from '../types.ts';

/** Whether a task's conditions hold; one that cannot be read ends the run. */
export function isWanted(when: readonly WhenExpression[] | undefined): boolean {
  try {
    return allHold(when);
  } catch (error) {
    if (!(error instanceof BadExpressionError)) throw error;
    throw new RunProblem('PipelineValidationFailed', error.message);
  }
}
