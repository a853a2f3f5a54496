import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const MANY = 50;

test(
  'pods survive a killed server, and it finds them again as they are',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    await dispatch.apply(pods());
    await eventually(async () => assert.equal(await running(dispatch), MANY), 60_000);
    const before = await starts(dispatch);
    await dispatch.kill('SIGKILL');
    await dispatch.up();
    await eventually(async () => assert.equal(await running(dispatch), MANY));
    assert.deepEqual(await starts(dispatch), before);
    // It goes on being looked after: what ends now is seen, and what is asked now is done.
    assert.match(await dispatch.ok('exec', 'sleeper-0', '--', 'sh', '-c', 'echo alive'), /alive/);
    await dispatch.ok('delete', 'pod', 'sleeper-1', '--wait');
  },
);

test('pods of a node that was added are found again as well', { skip: SKIP_SANDBOX }, async () => {
  await using dispatch = await Dispatch.make();
  await dispatch.up();
  assert.equal((await dispatch.run('node', 'add', 'gpu-1', '--cpu', '4')).code, 0);
  await dispatch.apply(pods(2, 'gpu-1'));
  await eventually(async () => assert.equal(await running(dispatch), 2));
  const before = await starts(dispatch);
  await dispatch.kill('SIGKILL');
  await dispatch.up();
  assert.match(await dispatch.ok('exec', 'sleeper-0', '--', 'sh', '-c', 'echo alive'), /alive/);
  assert.deepEqual(await starts(dispatch), before);
  await dispatch.ok('delete', 'pod', 'sleeper-1', '--timeout=20s');
  assert.equal(await processesNamed(MARK), 1);
});

test(
  'a server that is stopped while it sees to pods stops all the same',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    await dispatch.apply(pods(4));
    await eventually(async () => assert.equal(await running(dispatch), 4));
    for (let life = 0; life < 4; life += 1) {
      await dispatch.kill('SIGTERM');
      await dispatch.up();
    }
    // It sees to them at its own pace: now that one of them is there, it is in the middle of the others.
    await eventually(async () => assert.notEqual(await running(dispatch), 0));
    await dispatch.kill('SIGTERM');
  },
);

test('what ended while nobody looked is told as it was', { skip: SKIP_SANDBOX }, async () => {
  await using dispatch = await Dispatch.make();
  await dispatch.up();
  await dispatch.apply(`
apiVersion: v1
kind: Pod
metadata: {name: brief}
spec:
  restartPolicy: Never
  containers: [{name: c, image: dispatch.local/shell, command: [sh, -c, "while [ ! -e /tmp/go ]; do sleep 0.1; done; sleep 0.5; echo bye; exit 9"]}]
`);
  await dispatch.ok('wait', '--for=condition=Ready', 'pod/brief', '--timeout=30s');
  await dispatch.ok('exec', 'brief', '--', 'touch', '/tmp/go');
  await dispatch.kill('SIGKILL');
  await eventually(async () => assert.equal(await processesNamed('/tmp/go'), 0));
  await dispatch.up();
  await eventually(async () => {
    const state = await dispatch.ok(
      'get',
      'pod',
      'brief',
      '-o',
      'jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}',
    );
    assert.equal(state, 'Failed 9');
  });
  assert.equal(await dispatch.ok('logs', 'brief'), 'bye\n');
});

test(
  'what was deleted while nobody looked is ended, and a lost keeper is told truthfully',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    await dispatch.apply(pods(2));
    await eventually(async () => assert.equal(await running(dispatch), 2));
    await dispatch.kill('SIGTERM');
    // An orderly end takes the pods along: nothing is left that nobody knows.
    await eventually(async () => assert.equal(await processesNamed(MARK), 0));
    await dispatch.up();
    await eventually(async () => assert.equal(await running(dispatch), 2));
    const restarts = await dispatch.ok(
      'get',
      'pods',
      '-o',
      'jsonpath={.items[*].status.containerStatuses[0].restartCount}',
    );
    assert.equal(restarts, '1 1');
    await dispatch.kill('SIGTERM');
  },
);

test(
  'a keeper that is killed takes its pods along, and all of it comes back',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    const { http } = await dispatch.file();
    await dispatch.ok('apply', '-f', 'examples/hello.yaml');
    await dispatch.ok('rollout', 'status', 'deployment/hello', '--timeout=60s');
    const { pid } = JSON.parse(await readFile(`${dispatch.dataDir}/run/keeper-own.json`, 'utf8')) as {
      pid: number;
    };
    process.kill(pid, 'SIGKILL');
    await eventually(async () => {
      const reasons = await dispatch.ok(
        'get',
        'pods',
        '-o',
        'jsonpath={.items[*].status.containerStatuses[0].lastState.terminated.reason}',
      );
      assert.equal(reasons, 'ContainerStatusUnknown ContainerStatusUnknown ContainerStatusUnknown');
    });
    await dispatch.ok('rollout', 'status', 'deployment/hello', '--timeout=60s');
    await eventually(async () => assert.match(await (await fetch(`${http}/hello`)).text(), /^hello from/));
    assert.match(
      await dispatch.ok('exec', 'deployment/hello', '--', 'curl', '-s', 'http://hello'),
      /^hello from/,
    );
    await dispatch.kill('SIGTERM');
  },
);

const MARK = 'adoption-test-marker';

function pods(count = MANY, nodeName?: string): string {
  const items = Array.from({ length: count }, (_, at) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `sleeper-${at}` },
    spec: {
      ...(nodeName !== undefined && { nodeName }),
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: 'c', image: 'dispatch.local/shell', command: ['sh', '-c', `sleep 1000; : ${MARK}`] },
      ],
    },
  }));
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

async function running(dispatch: Dispatch): Promise<number> {
  const phases = await dispatch.ok(
    'get',
    'pods',
    '-o',
    'jsonpath={.items[*].status.containerStatuses[*].state.running.startedAt}',
  );
  return phases.split(' ').filter((item) => item !== '').length;
}

async function starts(dispatch: Dispatch): Promise<string[]> {
  const text = await dispatch.ok(
    'get',
    'pods',
    '-o',
    'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].state.running.startedAt} {.status.containerStatuses[0].restartCount}{"\\n"}{end}',
  );
  return text.trim().split('\n');
}

async function processesNamed(text: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    if ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(text)) count += 1;
  }
  return count;
}
