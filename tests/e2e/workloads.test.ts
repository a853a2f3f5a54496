import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { SKIP_KUBECTL } from './kubectl.ts';
import { eventually, SKIP_SANDBOX, WEB } from './pods.ts';

const SKIP = SKIP_KUBECTL || SKIP_SANDBOX;

test(
  'a deployment of three comes up and answers through the gateway, and rolls without losing a request',
  {
    skip: SKIP,
  },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    const { http } = await dispatch.file();
    await dispatch.apply(WEB);
    await dispatch.ok('rollout', 'status', 'deployment/web', '--timeout=60s');
    assert.match(await dispatch.ok('get', 'deployment', 'web'), /web\s+3\/3\s+3\s+3/);
    const names = new Set<string>();
    await eventually(async () => {
      names.add(await (await fetch(`${http}/web`)).text());
      assert.equal(names.size, 3);
    });

    // From here on somebody asks all the time.
    let lost = 0;
    let answered = 0;
    const stop = new AbortController();
    const asking = (async () => {
      while (!stop.signal.aborted) {
        const response = await fetch(`${http}/web`).catch(() => undefined);
        if (response?.status === 200) answered += 1;
        else lost += 1;
        await response?.arrayBuffer();
      }
    })();
    await dispatch.ok('set', 'env', 'deployment/web', 'GREETING=moin');
    await dispatch.ok('rollout', 'status', 'deployment/web', '--timeout=60s');
    await eventually(async () => assert.match(await (await fetch(`${http}/web`)).text(), /^moin/));
    await dispatch.ok('rollout', 'undo', 'deployment/web');
    await dispatch.ok('rollout', 'status', 'deployment/web', '--timeout=60s');
    await dispatch.ok('rollout', 'restart', 'deployment/web');
    await dispatch.ok('rollout', 'status', 'deployment/web', '--timeout=60s');
    stop.abort();
    await asking;
    assert.equal(lost, 0);
    assert.ok(answered > 10);
    assert.match(await dispatch.ok('rollout', 'history', 'deployment/web'), /\n4\s/);

    await dispatch.ok('scale', 'deployment/web', '--replicas=1');
    await eventually(async () =>
      assert.equal(
        (await dispatch.ok('get', 'pods', '-l', 'app=web', '-o', 'name')).trim().split('\n').length,
        1,
      ),
    );
    const described = await dispatch.ok('describe', 'deployment', 'web');
    assert.match(described, /Scaled down replica set web-\w+ from \d to 1/);
  },
);

test(
  'the five minutes of the README: an example, an image of one’s own, and its rollout',
  { skip: SKIP },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    const { http, registry } = await dispatch.file();
    await dispatch.ok('apply', '-f', 'examples/hello.yaml');
    await dispatch.ok('rollout', 'status', 'deployment/hello', '--timeout=60s');
    await eventually(async () =>
      assert.match(await (await fetch(`${http}/hello`)).text(), /^hello from hello-/),
    );
    const image = `${registry}/default/mine:1`;
    const built = await dispatch.run('image', 'build', '-t', image, 'examples/image');
    assert.equal(built.code, 0, built.stderr);
    await dispatch.ok('set', 'image', 'deployment/hello', `web=${image}`);
    await dispatch.ok(
      'patch',
      'deployment',
      'hello',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/spec/template/spec/containers/0/command"},{"op":"remove","path":"/spec/template/spec/containers/0/args"}]',
    );
    await dispatch.ok('rollout', 'status', 'deployment/hello', '--timeout=60s');
    await eventually(async () =>
      assert.equal(await (await fetch(`${http}/hello`)).text(), 'built on this machine\n'),
    );
    assert.match(
      (await dispatch.run('ingress')).stdout,
      /Ingress\s+default\s+hello\s+http:\/\/127.0.0.1:\d+\/hello\s+hello:80/,
    );
  },
);

test('logs, exec, cp and port-forward reach into a pod', { skip: SKIP }, async () => {
  await using dispatch = await Dispatch.make();
  await dispatch.up();
  await dispatch.apply(WEB.replace('replicas: 3', 'replicas: 1'));
  await dispatch.ok('rollout', 'status', 'deployment/web', '--timeout=60s');
  await eventually(async () => assert.equal(await dispatch.ok('logs', 'deployment/web'), 'listening\n'));
  assert.equal(
    await dispatch.ok('exec', 'deployment/web', '--', 'sh', '-c', 'echo $GREETING; echo x > /tmp/f'),
    'hello\n',
  );
  const failed = await dispatch.kubectl('exec', 'deployment/web', '--', 'sh', '-c', 'exit 7');
  assert.equal(failed.code, 7);
  const echoed = await dispatch.pipe('over\n', 'kubectl', 'exec', '-i', 'deployment/web', '--', 'cat');
  assert.equal(echoed.stdout, 'over\n');
  const [pod = ''] = (await dispatch.ok('get', 'pods', '-o', 'jsonpath={.items[*].metadata.name}')).split(
    ' ',
  );
  await dispatch.ok('cp', `${pod}:/tmp/f`, `${dispatch.home}/f`);
  assert.equal((await dispatch.pipe('', 'cat', `${dispatch.home}/f`)).stdout, 'x\n');
  const found = await dispatch.ok('exec', pod, '--', 'curl', '-s', 'http://web.default.svc.cluster.local/');
  assert.match(found, /^hello web-/);
});

const HAS_SCRIPT = spawnSync('script', ['--version']).status === 0;

test(
  'exec -it gives a real terminal, with its size and its changes, over both protocols',
  {
    skip:
      SKIP || (HAS_SCRIPT || process.env['CI'] === 'true' ? false : 'the program script is not installed'),
  },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    await dispatch.apply(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"t"},"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"c","image":"dispatch.local/shell","command":["sleep","1000"]}]}}',
    );
    await dispatch.ok('wait', '--for=condition=Ready', 'pod/t', '--timeout=30s');
    for (const websockets of ['true', 'false']) {
      // The terminal is script's; its size is set from inside before kubectl looks at it.
      const inner = `stty rows 33 cols 77; KUBECTL_REMOTE_COMMAND_WEBSOCKETS=${websockets} kubectl exec -it t -- sh -c "until [ \\$(stty size | cut -c1) = 3 ]; do :; done; tty; stty size; exit 5"`;
      const { stdout: shown } = await dispatch.pipe('', 'script', '-qec', inner, '/dev/null');
      // The end of script's own input may be echoed in between.
      const stdout = shown.replaceAll(/\^[@D]/g, '');
      assert.match(stdout, /\/dev\/pts\/\d+\r\n33 77\r\n/);
      assert.match(stdout, /exit code 5/);
    }
  },
);
