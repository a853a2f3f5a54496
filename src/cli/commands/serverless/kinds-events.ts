import { commonOf, compact, type Flat, flag, list, metadataOf, number, required, text } from './flat.ts';
import { cell, created, specOf, statusOf } from './kinds-code.ts';
import { API_VERSION, type CliKind, ours } from './cli-kind.ts';

const settings = (flat: Flat): string =>
  ((flat['config'] as { key: string; value?: string }[] | undefined) ?? [])
    .map(({ key, value }) => (value === undefined || value === '' ? key : `${key}=${value}`))
    .join('\n');

export const eventKinds: readonly CliKind[] = [
  {
    kind: 'DriverType',
    names: [
      'eventdrivertype',
      'eventdrivertypes',
      'event-driver-type',
      'event-driver-types',
      'eventdriver-type',
      'eventdriver-types',
    ],
    documents: ['EventDriverType', 'event-driver-type'],
    resource: ours('eventdrivertypes'),
    columns: { Name: cell('name'), Image: cell('image'), Expose: cell('expose') },
    show: (object) => {
      const { image, expose = false, config } = specOf(object);
      return compact({ ...commonOf(object, 'DriverType'), image, expose, config });
    },
    make: (flat, { namespace }) => ({
      apiVersion: API_VERSION,
      kind: 'EventDriverType',
      metadata: metadataOf(flat, namespace),
      spec: compact({ image: required(flat, 'image'), expose: flag(flat, 'expose'), config: flat['config'] }),
    }),
  },
  {
    kind: 'Driver',
    names: ['eventdriver', 'eventdrivers', 'event-driver', 'event-drivers'],
    documents: ['EventDriver', 'event-driver'],
    resource: ours('eventdrivers'),
    columns: {
      Name: cell('name'),
      Type: cell('type'),
      Status: cell('status'),
      Secrets: cell('secrets'),
      Config: settings,
      URL: cell('url'),
      Reason: cell('reason'),
    },
    show: (object) => {
      const { type, config, secrets } = specOf(object);
      const { url } = (object['status'] as Flat | undefined) ?? {};
      return compact({ ...commonOf(object, 'Driver'), type, config, secrets, url, ...statusOf(object) });
    },
    make: (flat, { namespace }) => ({
      apiVersion: API_VERSION,
      kind: 'EventDriver',
      metadata: metadataOf(flat, namespace),
      spec: compact({ type: required(flat, 'type'), config: flat['config'], secrets: list(flat, 'secrets') }),
    }),
  },
  {
    kind: 'Subscription',
    names: ['subscription', 'subscriptions'],
    resource: ours('subscriptions'),
    isLowerCase: true,
    columns: {
      Name: cell('name'),
      'Event type': cell('eventType'),
      'Function name': cell('function'),
      Status: cell('status'),
      'Created date': created,
    },
    show: (object) =>
      compact({ ...commonOf(object, 'Subscription'), ...specOf(object), ...statusOf(object) }),
    make: (flat, { namespace }) => ({
      apiVersion: API_VERSION,
      kind: 'Subscription',
      metadata: metadataOf(flat, namespace),
      spec: compact({
        function: required(flat, 'function'),
        eventType: text(flat, 'eventType', 'event-type', 'topic'),
        source: text(flat, 'source'),
        subject: text(flat, 'subject'),
        filters: flat['filters'],
        secrets: list(flat, 'secrets'),
        maxAttempts: number(flat, 'maxAttempts'),
        enabled: flag(flat, 'enabled'),
      }),
    }),
  },
];
