import { evaluate } from '@marcbachmann/cel-js';
import { RunProblem } from '../params.ts';
import type { WhenExpression } from '../types.ts';

/** Whether all conditions hold. Every variable in them has been replaced. */
export function allHold(when: readonly WhenExpression[] | undefined): boolean {
  return (when ?? []).every(holds);
}

function holds({ input = '', operator, values = [], cel }: WhenExpression): boolean {
  if (cel !== undefined) {
    try {
      return evaluate(cel) === true;
    } catch (error) {
      throw new RunProblem(
        'PipelineValidationFailed',
        `the CEL expression ${JSON.stringify(cel)} cannot be evaluated: ${(error as Error).message}`,
      );
    }
  }
  return values.includes(input) === (operator !== 'notin');
}
