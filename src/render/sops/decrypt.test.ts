import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readAllYaml } from '../yaml/read.ts';
import { decryptFile } from './decrypt.ts';
import type { SopsKeys } from './keys.ts';

// Made with sops 3.9.4 and keys that are for nothing else.
const fixture = (name: string): Promise<Buffer> => readFile(new URL(`fixtures/${name}`, import.meta.url));

const keys: SopsKeys = {
  age: (await fixture('age.agekey')).toString().match(/^AGE-SECRET-KEY-\S+/gm) ?? [],
  pgp: [(await fixture('pgp.asc')).toString()],
};
const none: SopsKeys = { age: [], pgp: [] };
const open = async (name: string, with_ = keys): Promise<string> =>
  (await decryptFile(name, await fixture(name), with_)).toString();

const SECRET = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'db', labels: { 10: 'a', 2: 'b' } },
  stringData: {
    password: 's3cret',
    port: '5432',
    multi: 'line one\nline two\n',
    empty: '',
    yes: 'on',
  },
};
const REST = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'cfg' },
  data: { a: 'b' },
  extra: { n: 12345678901234, f: 1.5, big: 1e21, b: true, nothing: null, list: [1, 'two', { x: 'y' }] },
};

test('manifests are read whichever values are encrypted, and for whichever key', async () => {
  for (const name of ['secret.yaml', 'regex.yaml', 'mac-only.yaml', 'pgp.yaml'])
    assert.deepEqual(readAllYaml(await open(name), name), [SECRET, REST], name);
});

test('so are the other formats', async () => {
  assert.equal(await open('values.env'), 'USER=admin\nPASSWORD=a=b c\nMULTI=one\\ntwo\n');
  assert.equal(await open('values.ini'), '[db]\nuser=admin\npassword=geheim\n\n[web]\nport=80\n');
  assert.deepEqual(JSON.parse(await open('values.json')), {
    2: { a: [1, 2.5, true, null, 't'] },
    10: 'x',
  });
  const bytes = await decryptFile('bytes.bin', await fixture('bytes.bin'), keys);
  assert.deepEqual(bytes, Buffer.from('plain bytes \xff\xfe\x00 end', 'latin1'));
});

test('what was changed after it was encrypted is not taken', async () => {
  const text = (await fixture('secret.yaml')).toString();
  const opened = (changed: string): Promise<Buffer> => decryptFile('secret.yaml', Buffer.from(changed), keys);
  const line = (name: string): string => new RegExp(`^ *${name}: ENC.*\n`, 'm').exec(text)![0];
  const value = (name: string): string => line(name).split(': ')[1]!;
  // A value at another place, one that is gone, one that was never encrypted, and another checksum.
  await assert.rejects(
    opened(text.replace(value('password'), value('port'))),
    /secret\.yaml cannot be decrypted: the value at stringData:password was changed/,
  );
  await assert.rejects(opened(text.replace(line('port'), '')), /something in it was changed/);
  await assert.rejects(opened(text.replace(value('port'), '80\n')), /stringData:port is not encrypted/);
  await assert.rejects(opened(text.replaceAll(/lastmodified: .*/g, 'lastmodified: "x"')), /was changed/);
});

test('who has no key reads nothing, and is told what to do', async () => {
  await assert.rejects(open('secret.yaml', none), /none of the keys that are there opens it: add the right/);
  await assert.rejects(open('pgp.yaml', { ...none, age: keys.age }), /none of the keys/);
  const text = (await fixture('secret.yaml')).toString();
  const service = text
    .replaceAll(/ {4}age:\n(?: {8}.*\n)+/g, '')
    .replaceAll('    kms: []', '    kms:\n        - arn: "arn:aws:kms:x"\n          enc: eHh4');
  await assert.rejects(
    decryptFile('secret.yaml', Buffer.from(service), keys),
    /encrypted with a key of a service \(kms\): encrypt it for a key of age or OpenPGP as well/,
  );
});

test('everything else stays as it is, byte by byte', async () => {
  const others = ['a: 1 # sops', 'sops: {mac: 1}\nx: ENC[AES256_GCM,data:', '{"sops": {}}', '\xff'];
  for (const text of others) {
    const bytes = Buffer.from(text, 'latin1');
    const result = await decryptFile('a.yaml', bytes, none).catch((error: Error) => error.message);
    assert.ok(result === bytes || typeof result === 'string', text);
  }
  assert.equal(await open('age.agekey', none), (await fixture('age.agekey')).toString());
});
