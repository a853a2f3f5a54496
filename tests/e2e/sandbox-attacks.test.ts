import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

/** Runs a script as root in a container with nothing special, and gives what it prints. */
async function attack(dispatch: Dispatch, name: string, script: string, spec = ''): Promise<string> {
  await dispatch.apply(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'c',
            image: 'dispatch.local/python3',
            command: ['sh', '-c', script],
            ...(spec === '' ? {} : (JSON.parse(spec) as object)),
          },
        ],
      },
    }),
  );
  await eventually(async () => {
    const phase = await dispatch.ok('get', 'pod', name, '-o', 'jsonpath={.status.phase}');
    assert.match(phase, /Succeeded|Failed/);
  });
  return dispatch.ok('logs', name);
}

describe('what a container tries in vain', { skip: SKIP_SANDBOX }, () => {
  const dispatch = Dispatch.ofSuite();

  test('to read files and variables of the host', async () => {
    const said = await attack(
      dispatch,
      'files',
      `cat ${dispatch.dataDir}/kubeconfig; ls /root/.. | tr '\\n' ' '; cat /proc/1/environ | tr '\\0' '\\n'; cat /etc/shadow`,
    );
    assert.doesNotMatch(said, /apiVersion: v1/);
    assert.doesNotMatch(said, /DISPATCH|npm_|root:[^x*!:]/);
    assert.match(said, /KUBERNETES_SERVICE_HOST/);
  });

  test('to see or signal other processes', async () => {
    const said = await attack(
      dispatch,
      'processes',
      'ls /proc | grep -c "^[0-9]"; for pid in $(seq 2 4000); do kill -0 $pid 2>/dev/null && [ $pid != $$ ] && echo found $pid; done; echo done',
    );
    const [count = '', ...rest] = said.trim().split('\n');
    assert.ok(Number(count) <= 4, said);
    assert.deepEqual(rest.filter((line) => line.startsWith('found')).length <= 1 && rest.at(-1), 'done');
  });

  test('to change the kernel, mount, make devices or load code into it', async () => {
    const said = await attack(
      dispatch,
      'kernel',
      `echo 1 > /proc/sys/kernel/panic && echo WROTE;
       echo b > /proc/sysrq-trigger && echo WROTE;
       echo x > /sys/kernel/uevent_helper && echo WROTE;
       python3 - <<'EOF'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print('mount', libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), ctypes.get_errno())
print('unshare', libc.unshare(0x10000000), ctypes.get_errno())
try:
    os.mknod('/tmp/sda', 0o60600, os.makedev(8, 0)); print('MADE A DEVICE')
except OSError as error: print('mknod', error.errno)
print('bpf', libc.syscall(321, 0, 0, 0), ctypes.get_errno())
print('keyctl', libc.syscall(250, 0, 0, 0), ctypes.get_errno())
print('chroot escape', os.path.exists('/proc/1/root/etc/debian_version'))
EOF`,
    );
    assert.doesNotMatch(said, /WROTE|MADE/);
    assert.match(said, /mount -1 1\n/);
    assert.match(said, /unshare -1 1\n/);
    assert.match(said, /bpf -1 1\n/);
    assert.match(said, /keyctl -1 1\n/);
  });

  test('to gain privileges with a set-uid program when that is not allowed', async () => {
    const said = await attack(
      dispatch,
      'setuid',
      'grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status; id -u',
      '{"securityContext":{"runAsUser":1000,"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}',
    );
    assert.match(said, /NoNewPrivs:\s*1/);
    assert.match(said, /CapEff:\s*0+\n/);
    assert.match(said, /1000|0/);
  });

  test('to write where its root is read-only', async () => {
    const said = await attack(
      dispatch,
      'readonly',
      'touch /x /usr/x 2>&1; touch /dev/shm/ok && echo shm',
      '{"securityContext":{"readOnlyRootFilesystem":true}}',
    );
    assert.match(said, /Read-only file system/);
    assert.match(said, /shm/);
  });

  test('to reach the API without a token of its own, or with rights that it has not', async () => {
    const said = await attack(
      dispatch,
      'api',
      `K=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT
       curl -sk -o /dev/null -w '%{http_code}\\n' $K/api/v1/secrets
       curl -sk -o /dev/null -w '%{http_code}\\n' -H "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" $K/api/v1/secrets`,
    );
    assert.match(said, /^40[13]\n403\n/);
  });

  test('to connect to the host by its loopback or other pods past the network', async () => {
    const { registry = '' } = await dispatch.file();
    const said = await attack(
      dispatch,
      'loopback',
      `curl -s -m 2 -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:${registry.split(':')[1]}/v2/; curl -s -m 2 -o /dev/null -w '%{http_code}\\n' http://10.244.0.1:${registry.split(':')[1]}/v2/`,
    );
    assert.equal(said, '000\n000\n');
  });

  test('to outlive its deletion with a process that has left its parent', async () => {
    const marker = `dispatch-attack-${process.pid}`;
    await dispatch.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'daemon' },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'c',
              image: 'dispatch.local/shell',
              command: [
                'sh',
                '-c',
                `(trap "" TERM HUP INT; exec sh -c "sleep 1000; : ${marker}") & sleep 1000`,
              ],
            },
          ],
        },
      }),
    );
    await dispatch.ok('wait', '--for=condition=Ready', 'pod/daemon', '--timeout=30s');
    await eventually(async () => assert.ok((await processesWith(marker)) > 0));
    await dispatch.ok('delete', 'pod', 'daemon', '--wait');
    assert.equal(await processesWith(marker), 0);
  });

  test('to take more memory than its limit', async () => {
    await attack(
      dispatch,
      'memory',
      'python3 -c "import time; x = bytearray(400 * 1024 * 1024); time.sleep(5)"; exit $?',
      '{"resources":{"limits":{"memory":"64Mi"}}}',
    );
    const state = await dispatch.ok(
      'get',
      'pod',
      'memory',
      '-o',
      'jsonpath={.status.containerStatuses[0].state.terminated}',
    );
    assert.match(state, /OOMKilled/);
    assert.match(state, /137/);
  });

  test('to follow a link of a volume out of it', async () => {
    await dispatch.apply(`
apiVersion: v1
kind: Pod
metadata: {name: link}
spec:
  restartPolicy: Never
  volumes: [{name: v, emptyDir: {}}]
  initContainers:
  - {name: plant, image: dispatch.local/shell, command: [sh, -c, "ln -s / /v/out; ln -s ../../../../.. /v/up"], volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - {name: out, image: dispatch.local/shell, command: [sh, -c, "ls /data; ls /data2"], volumeMounts: [{name: v, mountPath: /data, subPath: out}, {name: v, mountPath: /data2, subPath: up}]}
`);
    await eventually(async () =>
      assert.match(
        await dispatch.ok('get', 'pod', 'link', '-o', 'jsonpath={.status.phase}'),
        /Succeeded|Failed/,
      ),
    );
    const said = await dispatch.ok('logs', 'link', '-c', 'out');
    assert.doesNotMatch(said, /etc|root|home/);
  });

  test('to be privileged, or to mount what no one has allowed', async () => {
    await dispatch.apply(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"privileged"},"spec":{"containers":[{"name":"c","image":"dispatch.local/shell","securityContext":{"privileged":true}}]}}',
    );
    await dispatch.apply(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"hostpath"},"spec":{"volumes":[{"name":"h","hostPath":{"path":"/etc"}}],"containers":[{"name":"c","image":"dispatch.local/shell","volumeMounts":[{"name":"h","mountPath":"/h"}]}]}}',
    );
    await eventually(async () => assert.match(await dispatch.ok('get', 'events'), /--allow-privileged/));
    await eventually(async () => assert.match(await dispatch.ok('get', 'events'), /--host-path-root/));
  });
});

async function processesWith(marker: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(marker)) count += 1;
  }
  return count;
}
