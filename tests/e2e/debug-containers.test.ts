import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { SKIP_KUBECTL } from './kubectl.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const container = (name: string, script: string): string =>
  JSON.stringify({ name, image: 'dispatch.local/python3', command: ['sh', '-c', script] });

const WAIT = 'trap "exit 0" TERM; while :; do sleep 60 & wait $!; done';

describe('processes that are looked at from beside', { skip: SKIP_KUBECTL || SKIP_SANDBOX }, () => {
  const dispatch = Dispatch.ofSuite();

  const logsOf = (pod: string, name: string): Promise<string> => dispatch.ok('logs', pod, '-c', name);
  const running = (pod: string): Promise<string> =>
    dispatch.ok('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=30s');

  test('kubectl debug adds a container to a pod that runs, among the processes of its target', async () => {
    await dispatch.apply(`
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  terminationGracePeriodSeconds: 0
  containers: [${container('app', `echo secret > /tmp/own; ${WAIT}`)}]
`);
    await running('app');
    await dispatch.ok(
      ...['debug', 'app', '--image=dispatch.local/python3', '--target=app', '-c', 'look', '--'],
      ...['sh', '-c', `tr '\\0' ' ' < /proc/1/cmdline; ls /proc/1/root/tmp; ls /tmp`],
    );
    await eventually(async () => {
      const state = await dispatch.ok('get', 'pod', 'app', '-o', 'json');
      const { status } = JSON.parse(state) as {
        status: {
          phase: string;
          ephemeralContainerStatuses: { state: { terminated?: { exitCode: number } } }[];
        };
      };
      assert.equal(status.ephemeralContainerStatuses[0]?.state.terminated?.exitCode, 0);
      assert.equal(status.phase, 'Running');
    });
    // Its processes, and through them its files; but its own root is another.
    assert.match(await logsOf('app', 'look'), /^sh -c echo secret.* own\n$/s);
    // Without a target there is nothing but itself.
    await dispatch.ok(
      ...['debug', 'app', '--image=dispatch.local/python3', '-c', 'alone', '--'],
      ...['sh', '-c', 'ls -d /proc/[0-9]* | wc -l; sleep 3600'],
    );
    await eventually(async () => assert.match(await logsOf('app', 'alone'), /^[1-3]\n/));
    assert.match(await dispatch.ok('exec', 'app', '-c', 'alone', '--', 'echo', 'inside'), /inside/);
    assert.match(await dispatch.ok('describe', 'pod', 'app'), /Ephemeral Containers:\s+look:/);
    await dispatch.ok('delete', 'pod', 'app', '--timeout=20s');
  });

  test('what was added stays as it is, and comes through its own door only', async () => {
    await dispatch.apply(`
apiVersion: v1
kind: Pod
metadata: {name: door}
spec:
  terminationGracePeriodSeconds: 0
  containers: [${container('app', WAIT)}]
`);
    await running('door');
    await dispatch.ok(
      ...['debug', 'door', '--image=dispatch.local/python3', '-c', 'first', '--', 'sh', '-c', WAIT],
    );
    const patch = (containers: object[], ...more: string[]): Promise<{ code: number; stderr: string }> =>
      dispatch.kubectl(
        ...['patch', 'pod', 'door', '--type=merge', '-p'],
        JSON.stringify({ spec: { ephemeralContainers: containers } }),
        ...more,
      );
    const added = { name: 'second', image: 'dispatch.local/python3' };
    assert.match((await patch([added])).stderr, /pod updates may not change fields/);
    const through = ['--subresource=ephemeralcontainers'];
    assert.match((await patch([added], ...through)).stderr, /"first" may not be changed or removed/);
    const first = JSON.parse(await dispatch.ok('get', 'pod', 'door', '-o', 'json')) as {
      spec: { ephemeralContainers: object[] };
    };
    const [known = {}] = first.spec.ephemeralContainers;
    const refused: [object, RegExp][] = [
      [{ ...added, name: 'app' }, /Duplicate value: "app"/],
      [{ ...added, targetContainerName: 'nobody' }, /targetContainerName: Not found: "nobody"/],
      [{ ...added, lifecycle: {} }, /lifecycle: Forbidden/],
    ];
    for (const [wrong, why] of refused) assert.match((await patch([known, wrong], ...through)).stderr, why);
    await dispatch.ok('delete', 'pod', 'door', '--timeout=20s');
  });

  test('containers that share their processes see each other, and not who holds them together', async () => {
    const spy = [
      'sleep 1',
      `cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c other-program`,
      'cat /proc/1/environ > /dev/null && echo environment',
      'ls /proc/1/root > /dev/null && echo root',
      'kill -USR1 1; kill -KILL 1; kill -STOP 1; sleep 1',
      // What loses its parent is not left behind.
      '(sleep 0.1 & true); sleep 1',
      `grep -l 'State:.Z' /proc/[0-9]*/status | wc -l`,
      'python3 -c "import socket; print(socket.socket().connect_ex((\'127.0.0.1\', 9229)) != 0)"',
      'echo done',
      WAIT,
    ].join('; ');
    await dispatch.apply(`
apiVersion: v1
kind: Pod
metadata: {name: shared}
spec:
  shareProcessNamespace: true
  terminationGracePeriodSeconds: 0
  containers:
  - ${container('a', 'ln -sf /bin/sleep /tmp/other-program; exec /tmp/other-program 3600')}
  - ${container('b', spy)}
`);
    await eventually(async () => assert.match(await logsOf('shared', 'b'), /done\n$/));
    const said = await logsOf('shared', 'b');
    assert.match(said, /^1\n/);
    assert.doesNotMatch(said, /environment|^root/m);
    assert.match(said, /\n0\nTrue\ndone\n$/);
    // A container that ends takes nobody along, and comes back among the same.
    const find = 'for p in /proc/[0-9]*; do grep -qs ^/tmp/other $p/cmdline && kill -9 $(basename $p); done';
    await dispatch.ok('exec', 'shared', '-c', 'b', '--', 'sh', '-c', `${find}; true`);
    await eventually(async () =>
      assert.match(
        await dispatch.ok(
          'get',
          'pod',
          'shared',
          '-o',
          'jsonpath={.status.containerStatuses[*].restartCount}',
        ),
        /^1 0$/,
      ),
    );
    await dispatch.ok('delete', 'pod', 'shared', '--timeout=20s');
  });
});
