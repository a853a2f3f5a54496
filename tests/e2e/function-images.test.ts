import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { Dispatch } from './dispatch.ts';
import { SKIP_SANDBOX } from './pods.ts';

/**
 * An image as they have always been made for functions: it brings the program that answers, and the templates by
 * which others are made of it. Its functions are shell scripts.
 */
const FILES: Record<string, string> = {
  Dockerfile: `FROM dispatch.local/node
COPY server.js /server.js
COPY image /image-template
COPY function /templates/function
LABEL io.dispatchframework.functionTemplate=/templates/function
WORKDIR /function
ENTRYPOINT ["node", "/server.js"]
`,
  'server.js': `const { execFileSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const handler = process.env.HANDLER;
if (!existsSync(handler)) {
  console.error('there is no ' + handler);
  process.exit(1);
}
require('node:http').createServer((request, response) => {
  let text = '';
  request.on('data', (chunk) => { text += chunk; }).on('end', () => {
    if (request.url === '/healthz') return response.end('{}');
    const { context, payload } = JSON.parse(text);
    const answer = { context: { error: null, logs: { stdout: ['asked'], stderr: [] } }, payload: null };
    try {
      const env = { ...process.env, NAME: String(payload.name), WORD: context.secrets.word ?? '' };
      answer.payload = execFileSync('sh', [handler], { env }).toString().trim();
    } catch (error) {
      answer.context.error = { type: 'FunctionError', message: 'the script failed', stacktrace: [] };
    }
    response.end(JSON.stringify(answer));
  });
}).listen(Number(process.env.PORT));
`,
  'image/Dockerfile': `ARG BASE_IMAGE
FROM \${BASE_IMAGE}
ARG SYSTEM_PACKAGES_FILE
ARG PACKAGES_FILE
COPY \${SYSTEM_PACKAGES_FILE} /system.txt
COPY \${PACKAGES_FILE} /packages.txt
`,
  'function/Dockerfile': `ARG IMAGE
FROM \${IMAGE}
ARG HANDLER=/function/main.sh
ENV HANDLER=\${HANDLER}
COPY . /function
`,
  'function/about.txt': 'of the template',
};
const HELLO = `echo "Hello, $NAME $WORD $(cat /system.txt /packages.txt | tr '\\n' ' ')$(cat /function/about.txt)"\n`;

/** What tells that a cluster has Knative. */
const KNATIVE = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: services.serving.knative.dev}
spec:
  group: serving.knative.dev
  scope: Namespaced
  names: {plural: services, singular: service, kind: Service}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`;

suite('images of functions', { skip: SKIP_SANDBOX, concurrency: 2 }, () => {
  const dispatch = Dispatch.ofSuite();
  before(() => ok('create', 'seed-images'));
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await dispatch.runIn(dispatch.home, ...args);
    assert.equal(code, 0, `dispatch ${args.join(' ')}: ${stderr}${stdout.slice(-500)}`);
    return stdout;
  };
  const exec = async (
    fn: string,
    input: object,
  ): Promise<{ output: unknown; error?: unknown; logs: unknown }> =>
    JSON.parse(await ok('exec', fn, '--wait', '--input', JSON.stringify(input)));
  const phase = (name: string, wanted: string): Promise<string> =>
    dispatch.ok('wait', `--for=jsonpath={.status.phase}=${wanted}`, name, '--timeout=60s');

  const reasonOf = (fn: string): Promise<string> =>
    dispatch.ok('get', 'functions.dispatch.dev', fn, '-o', 'jsonpath={.status.reason[0]}');

  test('an image of another language brings its program and its templates along', async () => {
    const dir = join(dispatch.home, 'classic');
    for (const part of ['image', 'function']) await mkdir(join(dir, part), { recursive: true });
    for (const [path, text] of Object.entries(FILES)) await writeFile(join(dir, path), text);
    // Nothing of this machine is read by way of an image.
    await symlink('/etc/hostname', join(dir, 'function', 'hostname'));
    await writeFile(join(dispatch.home, 'hello.sh'), HELLO);
    await writeFile(join(dispatch.home, 'bad.sh'), 'exit 3\n');
    await writeFile(join(dispatch.home, 'packages.txt'), 'one\ntwo\n');
    await writeFile(join(dispatch.home, 'secret.json'), '{"word":"mellon"}');
    await ok('image', 'build', 'classic', '-t', 'registry.dispatch.local/default/classic:1');
    const base = ['shell-base', 'registry.dispatch.local/default/classic:1', '--language', 'shell'];
    await ok('create', 'base-image', ...base);
    await writeFile(join(dispatch.home, 'system.txt'), 'curl 7\n');
    await ok('create', 'image', 'shell', 'shell-base', '--runtime-deps', 'packages.txt');
    await ok('create', 'secret', 'word', 'secret.json');
    const flags = ['--image', 'shell', '--handler', '/function/hello.sh'];
    await ok('create', 'function', 'hello', 'hello.sh', ...flags, '--secret', 'word', '--idle-timeout', '1s');
    await phase('function/hello', 'READY');
    const run = await exec('hello', { name: 'Jon' });
    assert.equal(run.output, 'Hello, Jon mellon one two of the template');
    assert.deepEqual(run.logs, { stdout: ['asked'], stderr: [] });

    // It goes, and comes back by itself; a change of the source is another image.
    await dispatch.ok('wait', '--for=jsonpath={.status.instances}=0', 'function/hello', '--timeout=30s');
    assert.match(String((await exec('hello', { name: 'Ada' })).output), /^Hello, Ada/);
    await writeFile(join(dispatch.home, 'hello.sh'), HELLO.replace('Hello', 'Goodbye'));
    await ok('update', 'function', 'hello', 'hello.sh', ...flags);
    await phase('function/hello', 'READY');
    assert.match(String((await exec('hello', { name: 'Ada' })).output), /^Goodbye, Ada/);

    await ok('create', 'function', 'bad', 'bad.sh', '--image', 'shell', '--handler', '/function/bad.sh');
    await phase('function/bad', 'READY');
    const failed = await dispatch.run('exec', 'bad', '--wait');
    assert.equal(failed.code, 1);
    assert.equal((JSON.parse(failed.stdout) as { reason: string[] }).reason[0], 'the script failed');
    // What has no such file ends at its start, and says why.
    await ok('create', 'function', 'lost', 'bad.sh', '--image', 'shell', '--handler', '/function/no.sh');
    await phase('function/lost', 'ERROR');
    assert.match(
      await reasonOf('lost'),
      /^The process ended before it answered: there is no \/function\/no\.sh$/,
    );
    // It is not tried without a pause: its object stays as it is.
    const version = (): Promise<string> =>
      dispatch.ok('get', 'functions.dispatch.dev', 'lost', '-o', 'jsonpath={.metadata.resourceVersion}');
    const before = await version();
    await exec('hello', { name: 'Ada' });
    assert.equal(await version(), before);
  });

  test('a function runs on another cluster: a Deployment that scales, or a Service where Knative is', async () => {
    await using other = await Dispatch.make();
    await other.up();
    const there = (path: string, body: object): Promise<string> =>
      other
        .pipe(
          JSON.stringify(body),
          'kubectl',
          'create',
          '--raw',
          `/api/v1/namespaces/default/services/${path}`,
          '-f',
          '-',
        )
        .then(({ stdout, stderr }) => stdout || stderr);
    const registry = (await other.file()).registry!.replace(/^\w+:\/\//, '');
    const kubeconfig = join(other.dataDir, 'kubeconfig');
    const token = /token: (\S+)/.exec(await readFile(kubeconfig, 'utf8'))![1]!;
    await mkdir(join(dispatch.home, '.docker'), { recursive: true });
    const auth = Buffer.from(`admin:${token}`).toString('base64');
    await writeFile(
      join(dispatch.home, '.docker', 'config.json'),
      JSON.stringify({ auths: { [registry]: { auth } } }),
    );
    await writeFile(
      join(dispatch.home, 'greet.js'),
      "module.exports = (context, { name }) => [process.env.WORD, name, context.secrets.key, context.serviceBindings.door.key].join(' ');\n",
    );
    await writeFile(join(dispatch.home, 'key.json'), '{"key":"open sesame"}');
    await ok('create', 'secret', 'door', 'key.json');
    const secrets = ['--secret', 'door', '--service', 'door'];
    await ok(
      'create',
      'function',
      'greet',
      'greet.js',
      '--image',
      'nodejs',
      '--env',
      'WORD=Hello',
      ...secrets,
    );
    await phase('function/greet', 'READY');
    await other.ok('create', 'secret', 'generic', 'door', '--from-literal=key=another');

    const to = ['--to-kubeconfig', kubeconfig];
    const nowhere = await dispatch.run('function', 'deploy', 'greet', ...to);
    assert.match(
      nowhere.stderr,
      /^Error: The images of this server are not known elsewhere: say with --image/,
    );
    const image = `${registry}/default/greet:1`;
    const shown = await ok('function', 'deploy', 'greet', ...to, '--image', image, '--dry-run');
    assert.match(shown, /^kind: Deployment[\s\S]*^kind: Service[\s\S]*^kind: HorizontalPodAutoscaler/m);
    assert.equal((await other.kubectl('get', 'deployment', 'greet')).code, 1);
    await ok('function', 'deploy', 'greet', ...to, '--image', image);
    const answer = JSON.parse(await there('greet:80/proxy/', { context: {}, payload: { name: 'Jon' } }));
    assert.deepEqual(answer, {
      context: { error: null, logs: { stdout: [], stderr: [] } },
      payload: 'Hello Jon another another',
    });
    assert.equal(
      await other.ok('get', 'hpa', 'greet', '-o', 'jsonpath={.spec.minReplicas} {.spec.maxReplicas}'),
      '1 10',
    );

    await other.apply(KNATIVE);
    await other.ok('wait', '--for=condition=Established', 'crd/services.serving.knative.dev');
    await ok('function', 'deploy', 'greet', ...to, '--image', image, '--no-wait');
    const made = JSON.parse(await other.ok('get', 'services.serving.knative.dev', 'greet', '-o', 'json')) as {
      spec: { template: { spec: { containers: { image: string }[] } } };
    };
    assert.match(
      made.spec.template.spec.containers[0]!.image,
      new RegExp(`^${registry}/default/greet@sha256:[0-9a-f]{64}$`),
    );
  });

  test('a function of python answers the same as an image of its own', async () => {
    await writeFile(
      join(dispatch.home, 'snake.py'),
      'def handle(event, ctx):\n    print("seen", event["type"])\n    return {"of": event["data"]["name"]}\n',
    );
    await writeFile(join(dispatch.home, '$HOME.py'), await readFile(join(dispatch.home, 'snake.py')));
    const python = ['--image', 'python3', '--handler', '$HOME.handle', '--cloud-events'];
    await ok('create', 'function', 'snake', '$HOME.py', ...python);
    await phase('function/snake', 'READY');
    await ok('function', 'deploy', 'snake');
    const call = (fn: string, body: object): Promise<string> =>
      dispatch
        .pipe(
          JSON.stringify(body),
          'kubectl',
          'create',
          '--raw',
          `/api/v1/namespaces/default/services/${fn}:80/proxy/`,
          '-f',
          '-',
        )
        .then(({ stdout, stderr }) => stdout || stderr);
    assert.deepEqual(JSON.parse(await call('snake', { context: {}, payload: { name: 'Ada' } })), {
      context: { error: null, logs: { stdout: ['seen dispatch.call'], stderr: [] } },
      payload: { of: 'Ada' },
    });
    // Another one takes its place, and the command ends when it has.
    const changed = String(await readFile(join(dispatch.home, 'snake.py'))).replace('"of"', '"now"');
    await writeFile(join(dispatch.home, '$HOME.py'), changed);
    await ok('update', 'function', 'snake', '$HOME.py', ...python);
    await ok('function', 'deploy', 'snake');
    const { payload } = JSON.parse(await call('snake', { context: {}, payload: { name: 'Ada' } }));
    assert.deepEqual(payload, { now: 'Ada' });

    // What answers HTTP by itself is there already, as whoever its image says.
    const dir = join(dispatch.home, 'web');
    await mkdir(dir);
    await writeFile(
      join(dir, 'web.js'),
      "require('node:http').createServer((_, a) => a.end('by itself')).listen(Number(process.env.PORT));",
    );
    await writeFile(
      join(dir, 'Dockerfile'),
      'FROM dispatch.local/node\nCOPY web.js /web.js\nENTRYPOINT ["node", "/web.js"]\n',
    );
    const web = 'registry.dispatch.local/default/web:1';
    await ok('image', 'build', 'web', '-t', web);
    await ok('create', 'function', 'web', '--image', web, '--http');
    await phase('function/web', 'READY');
    await ok('function', 'deploy', 'web');
    const path = '/api/v1/namespaces/default/services/web:80/proxy/';
    assert.equal(await dispatch.ok('get', '--raw', path), 'by itself');
    const strange = await dispatch.run(
      'function',
      'deploy',
      'snake',
      '--image',
      'registry.dispatch.local/kube-system/x:1',
    );
    assert.match(strange.stderr, /kube-system\/x:1 belongs to another namespace of this server's registry\./);
  });
});
