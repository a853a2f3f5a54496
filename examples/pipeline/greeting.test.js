import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greeting } from './greeting.js';

test('greets the world, or whoever is named', () => {
  assert.equal(greeting(null), 'Hello, world!');
  assert.equal(greeting('Ada'), 'Hello, Ada!');
});
