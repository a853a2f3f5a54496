import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { whyNoSandbox } from '../../src/node/index.ts';
import { Dispatch } from './dispatch.ts';

const isInstalled = spawnSync('nats-server', ['--version']).error === undefined;
const why = whyNoSandbox() ?? (isInstalled ? false : 'no nats-server is installed');

describe('events kept by a NATS server', { skip: why }, () => {
  let dispatch: Dispatch;
  let nats: ChildProcess;
  let port = 0;

  const startNats = (): Promise<void> => {
    const args = ['-js', '-sd', join(dispatch.home, 'nats'), '-a', '127.0.0.1', '-p', String(port || -1)];
    nats = spawn('nats-server', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    return new Promise((resolve, reject) => {
      nats.once('exit', () => reject(new Error(said)));
      nats.stderr!.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(said)?.[1] ?? port);
        if (said.includes('Server is ready')) resolve();
      });
    });
  };
  const stopNats = async (): Promise<void> => {
    nats.removeAllListeners('exit');
    const gone = new Promise((resolve) => nats.once('exit', resolve));
    nats.kill('SIGKILL');
    await gone;
  };
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await dispatch.runIn(dispatch.home, ...args);
    assert.equal(code, 0, `dispatch ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const heard = async (): Promise<string[]> => {
    const path = '/apis/run.dispatch.dev/v1alpha1/namespaces/default/functionruns?function=heard';
    const { items } = JSON.parse(await dispatch.ok('get', '--raw', path)) as {
      items: { spec: { input: { n: string } }; status: { phase: string } }[];
    };
    return items
      .filter(({ status }) => status.phase === 'READY')
      .map(({ spec }) => spec.input.n)
      .toSorted();
  };
  const until = async (wanted: string[]): Promise<void> => {
    while (JSON.stringify(await heard()) !== JSON.stringify(wanted));
  };

  before(async () => {
    dispatch = await Dispatch.make();
    await mkdir(dispatch.dataDir, { recursive: true });
    await startNats();
    await writeFile(join(dispatch.dataDir, 'config.yaml'), `nats: nats://127.0.0.1:${port}\n`);
    await writeFile(join(dispatch.home, 'heard.js'), 'module.exports = (_, payload) => payload;');
    await dispatch.up();
    await ok('create', 'seed-images');
    await ok('create', 'function', 'heard', 'heard.js', '--image', 'nodejs');
    await ok('create', 'subscription', 'heard', '--name', 'heard', '--event-type', 'nats.*');
    await dispatch.ok(
      'wait',
      '--for=jsonpath={.status.phase}=READY',
      'function/heard',
      'subscription.dispatch.dev/heard',
      '--timeout=60s',
    );
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
    if (isInstalled) await stopNats();
  });

  test('events reach their functions, over a crash of either server', async () => {
    await ok('emit', 'nats.one', '--data', '{"n":"1"}');
    await until(['1']);
    await dispatch.kill('SIGKILL');
    await dispatch.up();
    await ok('emit', 'nats.two', '--data', '{"n":"2"}');
    await until(['1', '2']);
    await stopNats();
    await startNats();
    // The connection comes back by itself; what is refused meanwhile is sent again.
    while (
      (await dispatch.run('emit', 'nats.three', '--event-id', 'three', '--data', '{"n":"3"}')).code !== 0
    );
    await until(['1', '2', '3']);
  });
});
