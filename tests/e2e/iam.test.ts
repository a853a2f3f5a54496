import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SignJWT } from 'jose';
import { type CommandResult, Dispatch } from './dispatch.ts';

describe('policies, organisations and accounts with keys', () => {
  let dispatch: Dispatch;
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const run = (...args: string[]): Promise<CommandResult> => dispatch.runIn(dispatch.home, ...args);
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, `dispatch ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const asRobot = (...args: string[]): Promise<CommandResult> =>
    run(...args, '--service-account', 'acme/robot', '--jwt-private-key', 'robot.key');
  const allowed = async (token: string): Promise<boolean> => {
    const { api } = await dispatch.file();
    const { code } = await run(
      'get',
      'functions',
      '-n',
      'acme',
      '--token',
      token,
      '--host',
      '127.0.0.1',
      '--port',
      new URL(api).port,
      '--insecure',
    );
    return code === 0;
  };
  /** Asks again until it is so; the time limit is that of the test. */
  const until = async (ask: () => Promise<boolean>): Promise<void> => {
    while (!(await ask()));
  };

  before(async () => {
    dispatch = await Dispatch.make();
    await writeFile(join(dispatch.home, 'robot.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    await writeFile(join(dispatch.home, 'robot.pub'), pem);
    await dispatch.up();
    await ok('iam', 'create', 'organization', 'acme');
    await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'organization/acme', '--timeout=20s');
    await ok('iam', 'create', 'serviceaccount', 'robot', '--public-key', 'robot.pub', '-n', 'acme');
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
  });

  test('an account may what its policy says, in its namespace, and nothing else', async () => {
    assert.match(
      (await asRobot('get', 'functions', '-n', 'acme')).stderr,
      /forbidden.*system:serviceaccount:acme:robot/,
    );
    await ok(
      'iam',
      'create',
      'policy',
      'readers',
      '-n',
      'acme',
      '--subject',
      'robot',
      '--action',
      'get',
      '--resource',
      'function,image',
    );
    await until(async () => (await asRobot('get', 'functions', '-n', 'acme')).code === 0);
    assert.equal((await asRobot('get', 'image', '-n', 'acme')).code, 0);
    for (const args of [
      ['get', 'secret', '-n', 'acme'],
      ['get', 'functions', '-n', 'default'],
      ['create', 'secret', 'x', 'robot.pub', '-n', 'acme'],
    ])
      assert.equal((await asRobot(...args)).code, 1, args.join(' '));
    await ok('iam', 'delete', 'policy', 'readers', '-n', 'acme');
    await until(async () => (await asRobot('get', 'functions', '-n', 'acme')).code === 1);
  });

  test('a policy for all namespaces comes from administrators only', async () => {
    const policy = (namespace: string): string =>
      JSON.stringify({
        apiVersion: 'dispatch.dev/v1alpha1',
        kind: 'Policy',
        metadata: { name: 'everything', namespace },
        spec: { global: true, rules: [{ subjects: ['acme/robot'], actions: ['*'], resources: ['*'] }] },
      });
    await dispatch.apply(policy('acme'));
    await dispatch.ok(
      'wait',
      '-n',
      'acme',
      '--for=jsonpath={.status.phase}=ERROR',
      'policy/everything',
      '--timeout=20s',
    );
    assert.equal((await asRobot('get', 'functions', '-n', 'default')).code, 1);
    // Whoever looks after a namespace is no administrator.
    await dispatch.ok(
      'create',
      'rolebinding',
      'admin',
      '-n',
      'acme',
      '--clusterrole=admin',
      '--user=mallory',
    );
    const as = await dispatch.pipe(policy('dispatch-system'), 'kubectl', 'apply', '-f', '-', '--as=mallory');
    assert.match(as.stderr, /forbidden/);
    const editor = await dispatch.kubectl(
      'auth',
      'can-i',
      'create',
      'policies.dispatch.dev',
      '-n',
      'acme',
      '--as=eve',
    );
    assert.equal(editor.stdout.trim(), 'no');
    await dispatch.apply(policy('dispatch-system'));
    await until(async () => (await asRobot('get', 'functions', '-n', 'default')).code === 0);
    await ok('iam', 'delete', 'policy', 'everything', '-n', 'dispatch-system');
    await until(async () => (await asRobot('get', 'functions', '-n', 'default')).code === 1);
  });

  test('tokens that are forged, long-lived or signed by others are refused', async () => {
    await ok(
      'iam',
      'create',
      'policy',
      'all',
      '-n',
      'acme',
      '--subject',
      'robot',
      '--action',
      '*',
      '--resource',
      '*',
    );
    const sign = (
      claims: { issuer: string; seconds?: number; issuedAt?: number },
      key: Parameters<SignJWT['sign']>[0] = privateKey,
      alg = 'RS256',
    ): Promise<string> => {
      const now = claims.issuedAt ?? Math.floor(Date.now() / 1000);
      return new SignJWT()
        .setProtectedHeader({ alg })
        .setIssuer(claims.issuer)
        .setIssuedAt(now)
        .setExpirationTime(now + (claims.seconds ?? 600))
        .sign(key);
    };
    const good = await sign({ issuer: 'acme/robot' });
    await until(() => allowed(good));
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`;
    for (const [what, token] of [
      ["another's key", await sign({ issuer: 'acme/robot' }, other)],
      ['the public key as a secret', await sign({ issuer: 'acme/robot' }, Buffer.from(pem), 'HS256')],
      ['no signature', none],
      ['a day of life', await sign({ issuer: 'acme/robot', seconds: 86_400 })],
      ['an end in the past', await sign({ issuer: 'acme/robot', issuedAt: 1_000_000 })],
      ['another account', await sign({ issuer: 'default/default' })],
      ['an account that is not there', await sign({ issuer: 'acme/nobody' })],
    ] as const)
      assert.equal(await allowed(token), false, what);
    await dispatch.ok('annotate', 'serviceaccount', 'robot', '-n', 'acme', 'dispatch.dev/public-key-');
    assert.equal(await allowed(good), false, 'an account that has lost its key');
  });

  test('a token for somebody else is not sent to the server', async () => {
    await dispatch.ok('create', 'serviceaccount', 'team');
    const { stderr, code } = await run(
      'login',
      'git',
      '--service-account',
      'team',
      '--user',
      'ada',
      '--token',
      'secret-of-ada',
      '--url',
      'https://git.example.com',
      '--skip-verify',
    );
    assert.equal(code, 0, stderr);
  });

  test('contexts are kept, chosen and forgotten, and bootstrap makes the first account', async () => {
    const { api } = await dispatch.file();
    const out = await ok('manage', 'bootstrap');
    const key = /--jwt-private-key (\S+)/.exec(out)![1]!;
    const config = join(dispatch.home, 'config.json');
    const at = ['--config', config];
    await ok(
      'login',
      ...at,
      '--host',
      '127.0.0.1',
      '--port',
      new URL(api).port,
      '--insecure',
      '--service-account',
      'dispatch/default-svc',
      '--jwt-private-key',
      key,
    );
    assert.match(await ok('manage', 'context', ...at), /\* 127-0-0-1/);
    await until(async () => (await run('get', 'functions', '-n', 'acme', ...at)).code === 0);
    await ok('logout', ...at);
    assert.equal((await run('get', 'functions', '-n', 'acme', ...at)).code, 1);
    await ok('manage', 'context', 'delete', '127-0-0-1', ...at);
    assert.doesNotMatch(await ok('manage', 'context', ...at), /127-0-0-1/);
  });
});
