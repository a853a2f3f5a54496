import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { SKIP_KUBECTL } from './kubectl.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const SERVER = `require('http').createServer((_, a) => a.end(require('os').hostname())).listen(8080)`;

const pod = (name: string, port: object = {}): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: dispatch.local/node
    command: [node, -e, "${SERVER}"]
    ports: [${JSON.stringify({ containerPort: 8080, ...port })}]
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
`;
const service = (name: string, type: string, port: number): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {type: ${type}, selector: {app: web}, ports: [{port: ${port}, targetPort: 8080}]}
`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('ports of this machine', { skip: SKIP_KUBECTL || SKIP_SANDBOX }, () => {
  const dispatch = Dispatch.ofSuite();

  const said = async (port: number | string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text();
  const field = (kind: string, name: string, path: string): Promise<string> =>
    dispatch.ok('get', kind, name, '-o', `jsonpath=${path}`);

  test('node ports and load balancers lead to every pod of their service, while it is there', async () => {
    const port = await freePort();
    await dispatch.apply(
      [
        pod('one'),
        pod('two'),
        service('nodes', 'NodePort', 80),
        service('balanced', 'LoadBalancer', port),
      ].join('---'),
    );
    await dispatch.ok('wait', '--for=condition=Ready', 'pod/one', 'pod/two', '--timeout=30s');
    const nodePort = await field('service', 'nodes', '{.spec.ports[0].nodePort}');
    for (const at of [nodePort, port]) {
      const seen = new Set<string>();
      await eventually(async () => {
        seen.add(await said(at));
        assert.deepEqual([...seen].sort(), ['one', 'two']);
      });
    }
    assert.match(
      await dispatch.ok('get', 'service', 'balanced'),
      /balanced\s+LoadBalancer\s+\S+\s+127\.0\.0\.1\s/,
    );
    // One that goes is not asked any more.
    await dispatch.ok('delete', 'pod', 'one', '--timeout=20s');
    for (let count = 0; count < 10; count++) assert.equal(await said(nodePort), 'two');
    await dispatch.ok('delete', 'service', 'nodes', 'balanced');
    await eventually(async () => assert.rejects(said(nodePort)));
    await dispatch.ok('delete', 'pod', 'two', '--timeout=20s');
  });

  test('a port that is taken is told, and the address of its load balancer stays open', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    await dispatch.apply(service('taken', 'LoadBalancer', port));
    await eventually(async () =>
      assert.match(
        await dispatch.ok('describe', 'service', 'taken'),
        new RegExp(`PortNotOpened.*Port ${port} of this machine cannot be opened: it is in use`),
      ),
    );
    assert.equal(await field('service', 'taken', '{.status.loadBalancer.ingress}'), '');
    taken.close();
    // Whoever had it has let go of it.
    await eventually(async () =>
      assert.equal(await field('service', 'taken', '{.status.loadBalancer.ingress[0].ip}'), '127.0.0.1'),
    );
    await dispatch.ok('delete', 'service', 'taken');
  });

  test('a node port belongs to one service, and lies where node ports do', async () => {
    const fixed = (name: string, nodePort: number): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name },
        spec: { type: 'NodePort', ports: [{ port: 80, nodePort }] },
      });
    const tried = (name: string, nodePort: number): Promise<{ stderr: string }> =>
      dispatch.pipe(fixed(name, nodePort), 'kubectl', 'apply', '-f', '-');
    await dispatch.apply(fixed('first', 31_500));
    await dispatch.apply(fixed('first', 31_500));
    assert.match(
      (await tried('second', 31_500)).stderr,
      /nodePort: Invalid value: 31500: provided port is already allocated/,
    );
    assert.match((await tried('second', 22)).stderr, /provided port is not in the valid range.*30000-32767/);
    await dispatch.ok('delete', 'service', 'first');
  });

  test('a host port leads to its pod, and slices of others lead nowhere', async () => {
    const port = await freePort();
    await dispatch.apply(pod('hosted', { hostPort: port }));
    await dispatch.ok('wait', '--for=condition=Ready', 'pod/hosted', '--timeout=30s');
    await eventually(async () => assert.equal(await said(port), 'hosted'));
    // What listens on the loopback address of somebody's pod is not reached by writing down that it is there.
    await dispatch.apply(`
apiVersion: v1
kind: Service
metadata: {name: forged}
spec: {type: NodePort, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: forged, labels: {kubernetes.io/service-name: forged}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1], targetRef: {kind: Pod, name: hosted, namespace: default}}]
ports: [{port: 8080}]
`);
    const forged = await field('service', 'forged', '{.spec.ports[0].nodePort}');
    await eventually(async () => assert.rejects(said(forged), /fetch failed/));
    await dispatch.ok('delete', 'pod', 'hosted', '--timeout=20s');
    await eventually(async () => assert.rejects(said(port)));
  });
});
