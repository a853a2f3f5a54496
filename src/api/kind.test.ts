import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toDefinition } from './definition.ts';
import { validateSpec, withDefaults } from './kind.ts';
import { REPOSITORY } from './repository.ts';

test('defaults fill what the user left out and nothing else', () => {
  const spec = { repository: 'acme/shop', podTemplateFrom: { configMap: { name: 'pods' } } };
  assert.deepEqual(withDefaults(REPOSITORY, spec), {
    repository: 'acme/shop',
    serviceAccount: 'default',
    dispatchfile: { path: 'Dispatchfile' },
    timeout: '1h',
    forks: 'approve',
    podTemplateFrom: { configMap: { name: 'pods', key: 'template', optional: false } },
    disableAutoCancel: false,
  });
  assert.deepEqual(spec, { repository: 'acme/shop', podTemplateFrom: { configMap: { name: 'pods' } } });
});

test('validation names every field that is wrong', () => {
  const problems = validateSpec(REPOSITORY, { timeout: 5, logStorageRules: [{}, { maxCount: -1 }] });
  assert.deepEqual(problems.map((problem) => problem.field).sort(), [
    'spec.logStorageRules[1].maxCount',
    'spec.timeout',
  ]);
});

test('the definition is structural: choices become enums, maps become additionalProperties', () => {
  const [version] = toDefinition(REPOSITORY).spec['versions'] as [
    { schema: { openAPIV3Schema: { properties: Record<string, { properties: Record<string, unknown> }> } } },
  ];
  const { status } = version.schema.openAPIV3Schema.properties;
  assert.deepEqual(status?.properties['cron'], { type: 'object', additionalProperties: { type: 'string' } });
  assert.match(JSON.stringify(status?.properties['conditions']), /"enum":\["True","False","Unknown"\]/);
});
