import { ApiError } from '../../kube/index.ts';
import type { Call } from '../registry/index.ts';
import { type ApiRequest, headerOf } from './request.ts';

/** The options that every change carries in its query. */
export function callOf(request: ApiRequest): Call {
  const { query } = request;
  const dryRun = query.getAll('dryRun');
  if (dryRun.some((value) => value !== 'All'))
    throw new ApiError(
      'BadRequest',
      `dryRun must be All, not ${JSON.stringify(dryRun.find((value) => value !== 'All'))}.`,
    );
  const fieldValidation = query.get('fieldValidation') ?? 'Warn';
  if (fieldValidation !== 'Strict' && fieldValidation !== 'Warn' && fieldValidation !== 'Ignore') {
    throw new ApiError(
      'BadRequest',
      `fieldValidation must be Strict, Warn or Ignore, not ${JSON.stringify(fieldValidation)}.`,
    );
  }
  const fieldManager = query.get('fieldManager') ?? managerFrom(headerOf(request, 'user-agent'));
  return { user: request.user, dryRun: dryRun.length > 0, fieldManager, fieldValidation, warnings: [] };
}

/** The program's name: what stands before the version in its user agent. */
function managerFrom(userAgent: string): string {
  const name = userAgent
    .split('/')[0]!
    .replaceAll(/[^\x20-\x7e]/g, '')
    .slice(0, 128);
  return name === '' ? 'unknown' : name;
}

/** RFC 7234 warning texts, as many and as long as clients take. */
export function warningHeaders(warnings: readonly string[]): Record<string, string[]> {
  if (warnings.length === 0) return {};
  const texts = warnings.slice(0, 32).map(
    (text) =>
      `299 - "${text
        .slice(0, 256)
        .replaceAll(/[^\x20-\x7e]/g, '?')
        .replaceAll(/(["\\])/g, '\\$1')}"`,
  );
  return { warning: texts };
}
