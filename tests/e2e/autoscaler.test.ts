import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { SKIP_KUBECTL } from './kubectl.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const PATIENCE_MS = 90_000;

const deployment = (name: string, script: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: dispatch.local/node
        command: [node, -e, ${JSON.stringify(script)}]
        resources: {requests: {cpu: 20m}}
`;

const autoscaler = (name: string, metric: string): string => `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: ${name}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ${name}}
  maxReplicas: 3
  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
  metrics: [${metric}]
`;

// They mostly wait.
describe('autoscalers', { concurrency: true, skip: SKIP_KUBECTL || SKIP_SANDBOX }, () => {
  const dispatch = Dispatch.ofSuite();

  const replicas = (name: string): Promise<string> =>
    dispatch.ok('get', 'deployment', name, '-o', 'jsonpath={.spec.replicas}');

  test('follow what pods use: up while they work, and down when they rest', async () => {
    // It works while there is a file that says so.
    const worker = `const fs = require('fs'); setInterval(() => { if (fs.existsSync('/switch/on')) for (const end = Date.now() + 40; Date.now() < end; ); }, 100)`;
    await dispatch.apply(
      `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: switch}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---${deployment('busy', worker)}      volumes: [{name: work, persistentVolumeClaim: {claimName: switch}}]
---${autoscaler('busy', '{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}')}`.replace(
        'resources: {requests: {cpu: 20m}}',
        'resources: {requests: {cpu: 20m}}\n        volumeMounts: [{name: work, mountPath: /switch}]',
      ),
    );
    await dispatch.ok('rollout', 'status', 'deployment/busy', '--timeout=30s');
    await dispatch.ok('exec', 'deployment/busy', '--', 'node', '-e', "fs.writeFileSync('/switch/on', '')");
    await eventually(async () => assert.equal(await replicas('busy'), '3'), PATIENCE_MS);
    assert.match(
      await dispatch.ok('get', 'hpa', 'busy'),
      /busy\s+Deployment\/busy\s+cpu: \d+%\/50%\s+1\s+3\s+\d/,
    );
    assert.match(await dispatch.ok('describe', 'hpa', 'busy'), /SuccessfulRescale\s.*New size: [23]/);
    await dispatch.ok('exec', 'deployment/busy', '--', 'node', '-e', "fs.rmSync('/switch/on')");
    await eventually(async () => assert.equal(await replicas('busy'), '1'), PATIENCE_MS);
    await dispatch.ok('delete', 'hpa/busy', 'deployment/busy', '--timeout=30s');
  });

  test('follow the requests that the gateway passes on', async () => {
    const server = `require('http').createServer((_, a) => a.end('x')).listen(8080)`;
    await dispatch.apply(`${deployment('asked', server)}
---
apiVersion: v1
kind: Service
metadata: {name: asked}
spec: {selector: {app: asked}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: asked}
spec:
  rules:
  - http: {paths: [{path: /asked, pathType: Prefix, backend: {service: {name: asked, port: {number: 80}}}}]}
---
${autoscaler('asked', '{type: Object, object: {metric: {name: requests-per-second}, describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: asked}, target: {type: AverageValue, averageValue: "5"}}}')}`);
    await dispatch.ok('rollout', 'status', 'deployment/asked', '--timeout=30s');
    const { http } = await dispatch.file();
    await eventually(async () => assert.equal((await fetch(`${http}/asked`)).status, 200));
    const stop = new AbortController();
    const asking = (async () => {
      while (!stop.signal.aborted) {
        await (await fetch(`${http}/asked`)).text();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await eventually(async () => assert.equal(await replicas('asked'), '3'), PATIENCE_MS);
    stop.abort();
    await asking;
    await eventually(async () => assert.equal(await replicas('asked'), '1'), PATIENCE_MS);
  });
});
