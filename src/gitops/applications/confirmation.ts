import { type Application, NOTES } from '../resources.ts';

/** Whether somebody has said, since a moment, that what waits for a word may go. */
export function isApproved({ metadata }: Application, since: string | undefined): boolean {
  const at = Date.parse(metadata.annotations?.[NOTES.approved] ?? '');
  // Times are told to the second: the word may be of the same one.
  return at >= Math.floor(Date.parse(since ?? '') / 1000) * 1000;
}
