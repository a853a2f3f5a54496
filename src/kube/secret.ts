import type { KubeObject } from './object.ts';

export interface Secret extends KubeObject {
  type?: string;
  data?: Record<string, string>;
}

/** One value of a Secret; empty where there is none. */
export function secretText(secret: Secret | undefined, key: string): string {
  return decoded(secret?.data?.[key] ?? '');
}

/** Every value of a Secret. */
export function secretTexts(secret: Secret | undefined): string[] {
  return Object.values(secret?.data ?? {}).map(decoded);
}

function decoded(text: string): string {
  return Buffer.from(text, 'base64').toString();
}
