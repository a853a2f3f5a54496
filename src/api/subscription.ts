import Type from 'typebox';
import { phase, reasons } from './phase.ts';
import { defineKind } from './kind.ts';

const optional = Type.Optional;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });

/** Events that a function is called for. */
export const SUBSCRIPTION = defineKind({
  kind: 'Subscription',
  plural: 'subscriptions',
  shortNames: ['sub'],
  categories: ['run'],
  description: 'Events that a function is called for.',
  spec: Type.Object({
    eventType: optional(text('Type of the events, or "prefix.*"; all where there is none.')),
    function: Type.String({ minLength: 1, description: 'Function in the same namespace.' }),
    source: optional(text('Source of the events, or "prefix*".')),
    subject: optional(text('Subject of the events, or "prefix*".')),
    filters: optional(
      Type.Array(Type.Object({}, { 'x-kubernetes-preserve-unknown-fields': true }), {
        description: 'Filters that must all hold: exact, prefix, suffix, all, any, not.',
      }),
    ),
    secrets: optional(Type.Array(Type.String(), { description: 'Secrets that the runs are given.' })),
    maxAttempts: optional(Type.Integer({ minimum: 1, description: 'How often an event is tried.' })),
    enabled: optional(Type.Boolean({ default: true, description: 'Events wait while it is not.' })),
  }),
  status: Type.Object({
    phase,
    reason: reasons,
    delivered: optional(Type.Integer({ description: 'Events that were worked off.' })),
    dead: optional(Type.Integer({ description: 'Events that were given up.' })),
    waiting: optional(Type.Integer({ description: 'Events that are still to come.' })),
  }),
  columns: [
    { name: 'Event type', type: 'string', jsonPath: '.spec.eventType' },
    { name: 'Function', type: 'string', jsonPath: '.spec.function' },
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
  ],
});
