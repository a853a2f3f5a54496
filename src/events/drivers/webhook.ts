import { createHmac } from 'node:crypto';
import { sameText } from '../../kube/index.ts';
import type { BuiltinDriver, DriverRequest } from './driver.ts';

/** Headers in which the senders of webhooks put what they have signed, and what stands before it. */
const SIGNATURES: readonly { header: string; prefix: string }[] = [
  { header: 'x-hub-signature-256', prefix: 'sha256=' },
  { header: 'x-signature-256', prefix: 'sha256=' },
  { header: 'x-signature', prefix: '' },
];
const IDS = ['x-github-delivery', 'x-gitlab-event-uuid', 'x-request-id', 'idempotency-key'];

/** Any JSON that somebody posts becomes an event. With a secret, only what was signed with it. */
export const webhook: BuiltinDriver = (run) => {
  const keys = Object.values(run.secrets);
  return {
    [Symbol.dispose]: () => {},
    handle: async (request) => {
      if (request.method !== 'POST') return { status: 405, message: 'Events are posted.' };
      if (keys.length > 0 && !keys.some((key) => isSigned(request, key)))
        return { status: 401, message: 'The signature is missing, or is not the right one.' };
      let data: unknown;
      try {
        data = JSON.parse(request.body.toString() || '{}');
      } catch {
        return { status: 400, message: 'The body is no JSON.' };
      }
      const id = IDS.map((name) => headerOf(request, name)).find((value) => value !== undefined);
      await run.emit({
        type: run.settings.get('type') ?? 'webhook.received',
        source: run.settings.get('source') ?? `webhook/${run.name}`,
        ...(id !== undefined && { id }),
        data,
      });
      return { status: 202, message: 'accepted' };
    },
  };
};

function isSigned(request: DriverRequest, key: string): boolean {
  // Those that sign nothing send the secret itself.
  const token = headerOf(request, 'x-gitlab-token');
  if (token !== undefined) return sameText(token, key);
  const digest = createHmac('sha256', key).update(request.body).digest('hex');
  return SIGNATURES.some(({ header, prefix }) => {
    const value = headerOf(request, header);
    return value?.startsWith(prefix) === true && sameText(value.slice(prefix.length), digest);
  });
}

function headerOf({ headers }: DriverRequest, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
