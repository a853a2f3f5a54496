/** The name of an image, taken apart: `host/repository:tag@digest` with all that people leave out filled in. */
export interface Reference {
  host: string;
  repository: string;
  tag: string | undefined;
  digest: string | undefined;
}

const DEFAULT_HOST = 'docker.io';
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_NAME = 255;

export class BadReferenceError extends Error {
  constructor(text: string, why: string) {
    super(`${JSON.stringify(text)} is no name of an image: ${why}.`);
    this.name = 'BadReferenceError';
  }
}

export function parseReference(text: string): Reference {
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest)))
    throw new BadReferenceError(text, 'a digest is "sha256:" and 64 hexadecimal digits');
  const { host, rest } = splitHost(named);
  const colon = rest.lastIndexOf(':');
  const tag = colon >= 0 ? rest.slice(colon + 1) : undefined;
  let repository = colon >= 0 ? rest.slice(0, colon) : rest;
  if (tag !== undefined && !TAG.test(tag))
    throw new BadReferenceError(text, 'a tag has letters, digits, "_", "." and "-", at most 128');
  if (host === DEFAULT_HOST && !repository.includes('/')) repository = `library/${repository}`;
  if (repository.length > MAX_NAME || !REPOSITORY.test(repository))
    throw new BadReferenceError(text, 'a repository has lower-case letters, digits and separators');
  return { host, repository, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** The full form, the same for every way to write it. */
export function formatReference(reference: Reference): string {
  const { host, repository, tag, digest } = reference;
  return `${host}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

export function isRepository(name: string): boolean {
  return name.length <= MAX_NAME && REPOSITORY.test(name);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

function splitHost(named: string): { host: string; rest: string } {
  const slash = named.indexOf('/');
  const first = named.slice(0, Math.max(0, slash));
  // Without a dot, a port or this name, the first part belongs to the repository.
  if (slash < 0 || !(first.includes('.') || first.includes(':') || first === 'localhost'))
    return { host: DEFAULT_HOST, rest: named };
  const host = first === 'index.docker.io' ? DEFAULT_HOST : first;
  return { host, rest: named.slice(slash + 1) };
}
