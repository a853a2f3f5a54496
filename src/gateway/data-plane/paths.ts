const UNCLEAN = /\/\.|\/\/|%2e|%2f|%5c|\\/i;

/**
 * One way to write each path. What a route decides by must be what the backend sees: "/public/../admin" and
 * "/public/%2e%2e/admin" are "/admin".
 */
export function cleanPath(path: string): string {
  if (!UNCLEAN.test(path)) return path;
  const plain = path.replaceAll(/%2e/gi, '.').replaceAll('\\', '/').replaceAll(/%5c/gi, '/');
  const parts: string[] = [];
  const pieces = plain.split('/');
  for (const part of pieces) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  const last = pieces.at(-1);
  const isDirectory = parts.length > 0 && (last === '' || last === '.' || last === '..');
  return `/${parts.join('/')}${isDirectory ? '/' : ''}`;
}
