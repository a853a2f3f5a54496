import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outwardAddress } from './outward-server.ts';

const API = { api: 7443, web: 7444, hostIp: '192.0.2.1' };

test('pods reach the API on the host, other machines, and nothing else that trusts the host', async () => {
  assert.equal(await outwardAddress('127.0.0.1', 7443, API), '127.0.0.1');
  assert.equal(await outwardAddress('192.0.2.1', 7444, API), '127.0.0.1');
  assert.equal(await outwardAddress('127.0.0.1', 7444, API), undefined);
  assert.equal(await outwardAddress('192.0.2.7', 80, API), '192.0.2.7');
  for (const host of [
    '127.0.0.1',
    '127.9.9.9',
    'localhost',
    '0.0.0.0',
    '0',
    '169.254.169.254',
    '::1',
    '::',
    'fe80::1',
    '::ffff:127.0.0.1',
    '2130706433',
    '0x7f.1',
  ])
    assert.equal(await outwardAddress(host, 22, API), undefined, host);
  assert.equal(await outwardAddress('localhost', 7443, API), undefined);
});
