import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudEvent } from '../ingest/cloud-event.ts';
import { BadFilterError, type FilterSpec, filterOf } from './filter.ts';

const EVENT: CloudEvent = {
  specversion: '1.0',
  id: '1',
  source: '/shop/eu',
  type: 'order.placed',
  subject: 'eu-42',
  priority: 3,
};

test('types, sources and subjects are exact, or end with a star', () => {
  for (const [spec, isWanted] of [
    [{}, true],
    [{ eventType: 'order.placed' }, true],
    [{ eventType: 'order' }, false],
    [{ eventType: 'order.*' }, true],
    [{ eventType: 'order.x*' }, false],
    [{ eventType: '*' }, true],
    [{ source: '/shop/*', subject: 'eu-*' }, true],
    [{ source: '/shop/*', subject: 'us-*' }, false],
  ] as [FilterSpec, boolean][])
    assert.equal(filterOf(spec)(EVENT), isWanted, JSON.stringify(spec));
});

test('every dialect of CloudEvents Subscriptions', () => {
  for (const [filter, isWanted] of [
    [{ exact: { type: 'order.placed', subject: 'eu-42' } }, true],
    [{ exact: { type: 'order.placed', subject: 'eu-43' } }, false],
    [{ exact: { missing: 'x' } }, false],
    [{ exact: { priority: '3' } }, true],
    [{ prefix: { type: 'order.' } }, true],
    [{ suffix: { source: '/eu' } }, true],
    [{ suffix: { source: '/us' } }, false],
    [{ not: { suffix: { source: '/us' } } }, true],
    [{ any: [{ exact: { type: 'x' } }, { prefix: { subject: 'eu' } }] }, true],
    [{ all: [{ exact: { type: 'order.placed' } }, { not: { prefix: { subject: 'eu' } } }] }, false],
    [{ prefix: { type: 'order' }, suffix: { type: 'placed' } }, true],
    [{ prefix: { type: 'order' }, suffix: { type: 'x' } }, false],
  ] as const)
    assert.equal(filterOf({ filters: [filter] })(EVENT), isWanted, JSON.stringify(filter));
});

test('a filter that means nothing is refused', () => {
  const deep = Array.from({ length: 30 }).reduce<object>((inner) => ({ not: inner }), {
    exact: { type: 'x' },
  });
  for (const spec of [
    { eventType: 'a*b' },
    { filters: [{}] },
    { filters: ['x'] },
    { filters: [{ regex: { type: '.*' } }] },
    { filters: [{ exact: {} }] },
    { filters: [{ exact: { type: '' } }] },
    { filters: [{ all: [] }] },
    { filters: [{ any: { exact: { type: 'x' } } }] },
    { filters: [deep] },
  ])
    assert.throws(() => filterOf(spec), BadFilterError, JSON.stringify(spec));
});
