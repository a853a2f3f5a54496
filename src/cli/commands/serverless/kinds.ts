import type { CliKind } from './cli-kind.ts';
import { appKinds } from './kinds-apps.ts';
import { codeKinds } from './kinds-code.ts';
import { eventKinds } from './kinds-events.ts';
import { iamKinds } from './kinds-iam.ts';

export const CLI_KINDS: readonly CliKind[] = [...codeKinds, ...eventKinds, ...iamKinds, ...appKinds];

/** By any of its names. */
export function kindNamed(name: string): CliKind | undefined {
  return CLI_KINDS.find(({ names }) => names.includes(name.toLowerCase()));
}

/** By the word that a document has for its kind. */
export function kindOfDocument(word: string): CliKind | undefined {
  const lower = word.toLowerCase();
  return CLI_KINDS.find(
    ({ kind, names, documents = [] }) =>
      kind.toLowerCase() === lower ||
      documents.some((item) => item.toLowerCase() === lower) ||
      names.includes(lower),
  );
}
