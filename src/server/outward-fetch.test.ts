import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { outwardFetch } from './outward-fetch.ts';

test('what users name reaches nothing that trusts this machine, whatever it is called', async () => {
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    response.end('trusted');
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  const fetch = outwardFetch();
  for (const host of [
    '127.0.0.1',
    'localhost',
    '[::1]',
    '127.1',
    '0.0.0.0',
    '2130706433',
    '[::ffff:127.0.0.1]',
    '169.254.169.254',
  ])
    await assert.rejects(
      fetch(`http://${host}:${port}/`),
      (error: Error) => /is not served to pods/.test(String((error.cause as Error | undefined)?.message)),
      host,
    );
  assert.equal(asked, 0);
  server.close();
});
