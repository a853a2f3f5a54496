import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const SHELL = 'dispatch.local/shell';

function container(script: string, more: object = {}): object {
  return { name: 'c', image: SHELL, command: ['sh', '-c', script], ...more };
}

describe('every kind of workload', { skip: SKIP_SANDBOX }, () => {
  const dispatch = Dispatch.ofSuite();
  const apply = (...items: object[]): Promise<void> =>
    dispatch.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const get = (kind: string, name: string, path: string): Promise<string> =>
    dispatch.ok('get', kind, name, '-o', `jsonpath=${path}`);

  test('a StatefulSet keeps names and data over restarts of its pods and of the server', async () => {
    await apply({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'db' },
      spec: {
        serviceName: 'db',
        replicas: 2,
        selector: { matchLabels: { app: 'db' } },
        template: {
          metadata: { labels: { app: 'db' } },
          spec: {
            terminationGracePeriodSeconds: 0,
            containers: [
              container('echo started >> /data/log; sleep 1000', {
                volumeMounts: [{ name: 'data', mountPath: '/data' }],
              }),
            ],
          },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        ],
      },
    });
    await dispatch.ok('rollout', 'status', 'statefulset/db', '--timeout=60s');
    assert.equal(await get('pvc', 'data-db-1', '{.status.phase}'), 'Bound');
    await dispatch.ok('delete', 'pod', 'db-0', '--wait');
    await dispatch.ok('rollout', 'status', 'statefulset/db', '--timeout=60s');
    await eventually(async () =>
      assert.equal(await dispatch.ok('exec', 'db-0', '--', 'cat', '/data/log'), 'started\nstarted\n'),
    );
    await dispatch.kill('SIGTERM');
    await dispatch.up();
    await eventually(async () => {
      assert.equal(
        await dispatch.ok('exec', 'db-0', '--', 'cat', '/data/log'),
        'started\nstarted\nstarted\n',
      );
    });
    await dispatch.ok('scale', 'statefulset/db', '--replicas=1');
    await eventually(async () => assert.equal((await dispatch.kubectl('get', 'pod', 'db-1')).code, 1));
    await dispatch.ok('delete', 'statefulset', 'db', '--wait');
  });

  test('jobs: indexes, failures that count, and a policy that ends them', async () => {
    const job = (name: string, script: string, spec: object): object => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [container(script)] } }, ...spec },
    });
    await apply(
      job('indexed', 'echo $JOB_COMPLETION_INDEX', {
        completions: 3,
        parallelism: 2,
        completionMode: 'Indexed',
      }),
      job('fails', 'exit 3', { backoffLimit: 0 }),
      job('policy', 'exit 42', {
        backoffLimit: 6,
        podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }] },
      }),
      job('late', 'sleep 100', { activeDeadlineSeconds: 1 }),
      job('gone', 'true', { ttlSecondsAfterFinished: 0 }),
    );
    await dispatch.ok('wait', '--for=condition=Complete', 'job/indexed', '--timeout=30s');
    assert.equal(await get('job', 'indexed', '{.status.completedIndexes}'), '0-2');
    await dispatch.ok(
      'wait',
      '--for=condition=Failed',
      'job/fails',
      'job/policy',
      'job/late',
      '--timeout=60s',
    );
    const reason = (name: string): Promise<string> =>
      get('job', name, '{.status.conditions[?(@.type=="Failed")].reason}');
    assert.equal(await reason('fails'), 'BackoffLimitExceeded');
    assert.equal(await reason('policy'), 'PodFailurePolicy');
    assert.equal(await reason('late'), 'DeadlineExceeded');
    await eventually(async () => assert.equal((await dispatch.kubectl('get', 'job', 'gone')).code, 1));
  });

  test('a CronJob makes jobs by the clock and keeps only some', async () => {
    await apply({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'tick' },
      spec: {
        schedule: '@every 1s',
        successfulJobsHistoryLimit: 1,
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [container('true')] } } },
        },
      },
    });
    await eventually(async () =>
      assert.notEqual(await get('cronjob', 'tick', '{.status.lastSuccessfulTime}'), ''),
    );
    await dispatch.ok('patch', 'cronjob', 'tick', '-p', '{"spec":{"suspend":true}}');
    await dispatch.ok('delete', 'cronjob', 'tick', '--wait');
  });

  test('logical nodes: labels, taints, capacity, and why a pod waits', async () => {
    const added = await dispatch.run(
      'node',
      'add',
      'gpu',
      '--label',
      'pool=gpu',
      '--taint',
      'gpu=yes:NoSchedule',
      '--cpu',
      '2',
    );
    assert.equal(added.code, 0, added.stderr);
    const pod = (name: string, spec: object): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { terminationGracePeriodSeconds: 0, containers: [container('sleep 1000')], ...spec },
    });
    const tolerations = [{ key: 'gpu', operator: 'Exists' }];
    await apply(
      pod('tolerant', { nodeSelector: { pool: 'gpu' }, tolerations }),
      pod('intolerant', { nodeSelector: { pool: 'gpu' } }),
      pod('large', {
        tolerations,
        nodeSelector: { pool: 'gpu' },
        containers: [container('true', { resources: { requests: { cpu: '3' } } })],
      }),
    );
    await dispatch.ok('wait', '--for=condition=Ready', 'pod/tolerant', '--timeout=30s');
    assert.equal(await get('pod', 'tolerant', '{.spec.nodeName}'), 'gpu');
    await eventually(async () => {
      const why = await get('pod', 'intolerant', '{.status.conditions[0].message}');
      assert.match(why, /^0\/2 nodes are available: .*1 node\(s\) had untolerated taint {gpu: yes}/);
    });
    assert.match(await get('pod', 'large', '{.status.conditions[0].message}'), /Insufficient cpu/);
    // A taint that drives out takes even those that bear the other one.
    await dispatch.ok('taint', 'node', 'gpu', 'leave=now:NoExecute');
    await eventually(async () => assert.equal((await dispatch.kubectl('get', 'pod', 'tolerant')).code, 1));
    await dispatch.ok('taint', 'node', 'gpu', 'leave-', 'gpu-');
    await dispatch.ok('wait', '--for=condition=Ready', 'pod/intolerant', '--timeout=30s');
    await dispatch.ok('drain', 'gpu', '--force', '--ignore-daemonsets', '--timeout=30s');
    assert.equal(await get('node', 'gpu', '{.spec.unschedulable}'), 'true');
  });

  test('a DaemonSet follows the nodes', async () => {
    await apply({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'everywhere' },
      spec: {
        selector: { matchLabels: { app: 'everywhere' } },
        template: {
          metadata: { labels: { app: 'everywhere' } },
          spec: { terminationGracePeriodSeconds: 0, containers: [container('sleep 1000')] },
        },
      },
    });
    await dispatch.ok('rollout', 'status', 'daemonset/everywhere', '--timeout=30s');
    assert.equal(await get('daemonset', 'everywhere', '{.status.numberReady}'), '2');
    await dispatch.ok('set', 'env', 'daemonset/everywhere', 'A=b');
    await dispatch.ok('rollout', 'status', 'daemonset/everywhere', '--timeout=30s');
    await dispatch.run('node', 'rm', 'gpu');
    await eventually(async () =>
      assert.equal(await get('daemonset', 'everywhere', '{.status.desiredNumberScheduled}'), '1'),
    );
    await dispatch.ok('delete', 'daemonset', 'everywhere', '--wait');
  });

  test('containers in order: init, sidecars, steps one after another, hooks and last words', async () => {
    await apply(
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'parts' },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 0,
          securityContext: { fsGroup: 3000 },
          volumes: [
            { name: 'w', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
            {
              name: 'd',
              downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] },
            },
          ],
          initContainers: [
            {
              ...container('echo made > /w/f', { volumeMounts: [{ name: 'w', mountPath: '/w' }] }),
              name: 'first',
            },
            { ...container('sleep 1000'), name: 'beside', restartPolicy: 'Always' },
          ],
          containers: [
            container(
              'cat /w/f /d/name; id -u; id -G; dd if=/dev/zero of=/w/big bs=1M count=2 2>/dev/null || echo full; echo last > /dev/termination-log; exit 5',
              {
                securityContext: { runAsUser: 1000, runAsGroup: 2000 },
                volumeMounts: [
                  { name: 'w', mountPath: '/w' },
                  { name: 'd', mountPath: '/d' },
                ],
              },
            ),
          ],
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'steps', annotations: { 'dispatch.dev/sequential': 'true' } },
        spec: {
          restartPolicy: 'Never',
          containers: [
            { ...container('echo a'), name: 'a' },
            { ...container('exit 2'), name: 'b' },
            { ...container('echo c'), name: 'c' },
          ],
        },
      },
    );
    await eventually(async () => assert.equal(await get('pod', 'parts', '{.status.phase}'), 'Failed'));
    const ids = process.getuid?.() === 0 ? '1000\n2000 3000' : '0\n0.*';
    assert.match(await dispatch.ok('logs', 'parts', '-c', 'c'), new RegExp(`^made\nparts${ids}\nfull\n$`));
    assert.equal(
      await get('pod', 'parts', '{.status.containerStatuses[0].state.terminated.message}'),
      'last\n',
    );
    await eventually(async () => assert.equal(await get('pod', 'steps', '{.status.phase}'), 'Failed'));
    const reasons = await get('pod', 'steps', '{.status.containerStatuses[*].state.terminated.reason}');
    assert.equal(reasons, 'Completed Error Skipped');
  });

  test('a disruption budget counts what an eviction may take, and top shows what is used', async () => {
    await apply(
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'guarded' },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: 'guarded' } },
          template: {
            metadata: { labels: { app: 'guarded' } },
            spec: { terminationGracePeriodSeconds: 0, containers: [container('sleep 1000')] },
          },
        },
      },
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name: 'guard' },
        spec: { minAvailable: 2, selector: { matchLabels: { app: 'guarded' } } },
      },
    );
    await dispatch.ok('rollout', 'status', 'deployment/guarded', '--timeout=30s');
    await eventually(async () =>
      assert.equal(await get('pdb', 'guard', '{.status.currentHealthy}/{.status.disruptionsAllowed}'), '2/0'),
    );
    await dispatch.ok('scale', 'deployment/guarded', '--replicas=3');
    await eventually(async () =>
      assert.equal(await get('pdb', 'guard', '{.status.disruptionsAllowed}'), '1'),
    );
    await eventually(async () =>
      assert.match(await dispatch.ok('top', 'pods', '-l', 'app=guarded'), /guarded-\S+\s+\d+m\s+\d+Mi/),
    );
    await dispatch.ok('delete', 'deployment', 'guarded', '--wait');
  });

  test('a pod that fills the disk beyond its limit is evicted', async () => {
    await apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'full' },
      spec: {
        containers: [
          container('dd if=/dev/zero of=/big bs=1M count=20 2>/dev/null; sleep 1000', {
            resources: { limits: { 'ephemeral-storage': '5Mi' } },
          }),
        ],
      },
    });
    await eventually(async () =>
      assert.equal(await get('pod', 'full', '{.status.phase} {.status.reason}'), 'Failed Evicted'),
    );
  });

  test('a container that fails again and again is told of, and its log before is kept', async () => {
    await apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'crash' },
      spec: { terminationGracePeriodSeconds: 0, containers: [container('echo attempt; exit 4')] },
    });
    await eventually(async () =>
      assert.equal(
        await get('pod', 'crash', '{.status.containerStatuses[0].state.waiting.reason}'),
        'CrashLoopBackOff',
      ),
    );
    assert.equal(
      await get('pod', 'crash', '{.status.containerStatuses[0].lastState.terminated.exitCode}'),
      '4',
    );
    assert.equal(await dispatch.ok('logs', 'crash', '--previous'), 'attempt\n');
    assert.match(await dispatch.ok('describe', 'pod', 'crash'), /Back-off restarting failed container/);
  });
});
