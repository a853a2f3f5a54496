import { compileCel } from './cel.ts';

/** A condition of a pipeline's task or of a step: a value among others, or an expression. */
export interface WhenExpression {
  input?: string;
  operator?: 'in' | 'notin';
  values?: string[];
  cel?: string;
}

/** Whether all conditions hold. Every variable in them has been replaced. */
export function allHold(when: readonly WhenExpression[] | undefined): boolean {
  return (when ?? []).every(({ input = '', operator, values = [], cel }) =>
    cel === undefined ? values.includes(input) === (operator !== 'notin') : evaluateCel(cel),
  );
}

export class BadExpressionError extends Error {
  override name = 'BadExpressionError';
}

function evaluateCel(cel: string): boolean {
  try {
    return compileCel(cel, []).run({}) === true;
  } catch (error) {
    throw new BadExpressionError(
      `the CEL expression ${JSON.stringify(cel)} cannot be evaluated: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
