import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { podConnector } from '../../src/apiserver/index.ts';
import { Kubectl, KUBECTLS, SKIP_KUBECTL } from './kubectl.ts';
import { LocalRuntime } from './local-runtime.ts';

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: {
    nodeName: 'here',
    containers: [
      { name: 'main', image: 'x:1' },
      { name: 'side', image: 'x:1' },
    ],
  },
};

async function start(program: string): Promise<{ kubectl: Kubectl; runtime: LocalRuntime }> {
  const runtime = new LocalRuntime();
  const kubectl = await Kubectl.start(program, { pods: podConnector(runtime, Date.now) });
  await kubectl.ok('apply -f', await kubectl.file('pod.json', JSON.stringify(POD)));
  const { client } = kubectl.server;
  await client.patch(
    { group: '', version: 'v1', plural: 'pods', namespaced: true },
    { namespace: 'default', name: 'p' },
    'merge',
    { status: { phase: 'Running' } },
    { subresource: 'status' },
  );
  return { kubectl, runtime };
}

for (const program of KUBECTLS.length > 0 ? KUBECTLS : ['kubectl']) {
  describe(`pods with ${program}`, { skip: SKIP_KUBECTL }, () => {
    test('exec: output, errors, exit codes, input of any size, and the container by name', async () => {
      const { kubectl } = await start(program);
      await using _ = kubectl;
      const run = await kubectl.run('exec p -c main -- sh -c', 'echo out; echo err >&2; exit 3');
      assert.deepEqual([run.stdout, run.code], ['out\n', 3]);
      assert.match(run.stderr, /^err\n.*command terminated with exit code 3/);
      const input = randomBytes(3_000_000).toString('hex');
      const piped = await kubectl.spawn(['exec', '-i', 'p', '-c', 'main', '--', 'sha256sum'], input).done;
      assert.equal(piped.stdout.split(' ')[0], createHash('sha256').update(input).digest('hex'));
      const large = await kubectl.run('exec p -c side -- sh -c', 'head -c 5000000 /dev/zero | tr "\\0" x');
      assert.equal(large.stdout.length, 5_000_000);
      assert.match((await kubectl.run('exec p -c none -- true')).stderr, /container.* none/);
      assert.match((await kubectl.run('exec p -c main -- /no/such/program')).stderr, /ENOENT/);
    });

    test('a command ends when its client goes', async () => {
      const { kubectl } = await start(program);
      await using _ = kubectl;
      const marker = join(kubectl.dir, 'pid');
      const running = kubectl.spawn([
        'exec',
        'p',
        '-c',
        'main',
        '--',
        'sh',
        '-c',
        `echo $$ > ${marker}; echo started; exec sleep 60`,
      ]);
      await running.lines[Symbol.asyncIterator]().next();
      running.stop();
      await running.done;
      const pid = Number(await readFile(marker, 'utf8'));
      const isAlive = (): boolean => {
        try {
          return process.kill(pid, 0);
        } catch {
          return false;
        }
      };
      while (isAlive()) await new Promise((resolve) => setImmediate(resolve));
    });

    test('cp brings a file there and back', async () => {
      const { kubectl } = await start(program);
      await using _ = kubectl;
      const bytes = randomBytes(400_000);
      await writeFile(join(kubectl.dir, 'source'), bytes);
      await kubectl.ok(`cp ${kubectl.dir}/source p:${kubectl.dir}/there -c main`);
      assert.ok((await readFile(join(kubectl.dir, 'there'))).equals(bytes));
      await kubectl.ok(`cp p:${kubectl.dir}/there ${kubectl.dir}/back -c main`);
      assert.ok((await readFile(join(kubectl.dir, 'back'))).equals(bytes));
    });

    test('port-forward carries many connections', async () => {
      const { kubectl } = await start(program);
      await using _ = kubectl;
      const server = createServer((incoming, outgoing) => incoming.pipe(outgoing));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const forward = kubectl.spawn(['port-forward', 'pod/p', `:${port}`, '--address', '127.0.0.1']);
      const line = (await forward.lines[Symbol.asyncIterator]().next()).value as string;
      const local = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
      const echo = (text: string) =>
        new Promise<string>((resolve, reject) => {
          const call = request({ host: '127.0.0.1', port: local, method: 'POST', agent: false }, (answer) => {
            let got = '';
            answer.setEncoding('utf8').on('data', (chunk: string) => {
              got += chunk;
            });
            answer.on('end', () => resolve(got));
          });
          call.on('error', reject);
          call.end(text);
        });
      const texts = Array.from({ length: 10 }, (__, index) => `${index}`.repeat(50_000));
      try {
        assert.deepEqual(await Promise.all(texts.map(echo)), texts);
      } finally {
        forward.stop();
        await forward.done;
        server.close();
      }
    });

    test('logs: container, tail, since', async () => {
      const { kubectl, runtime } = await start(program);
      await using _ = kubectl;
      assert.equal(await kubectl.ok('logs p -c side --tail=2'), 'p/side: two\np/side: three');
      assert.match(await kubectl.ok('logs p -c main --since=1h --timestamps'), /one\n.*two\n.*three/);
      assert.ok((runtime.logCalls.at(-1)?.since ?? 0) > 0);
      assert.equal(runtime.logCalls.at(-1)?.timestamps, true);
    });
  });
}
