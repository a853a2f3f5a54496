/** Why a container waits or cannot be made: the words go into its status and an event. */
export class PodProblem extends Error {
  readonly reason: string;

  constructor(reason: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'PodProblem';
    this.reason = reason;
  }
}
