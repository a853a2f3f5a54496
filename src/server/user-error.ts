/** Something the user can mend. The message is one sentence: what is wrong, and what to do. */
export class UserError extends Error {
  override readonly name = 'UserError';
}
