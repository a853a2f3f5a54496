import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { whyNoSandbox } from '../../src/node/index.ts';
import { Dispatch } from './dispatch.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const DATE = String.raw`[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ \d{4}`;

/** The quick start of the serverless commands, as it has been written down for its users. */
describe('the serverless quick start', { skip: whyNoSandbox() ?? false }, () => {
  let dispatch: Dispatch;

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await dispatch.runIn(EXAMPLES, ...args);
    assert.equal(code, 0, `dispatch ${args.join(' ')}: ${stderr}`);
    return stdout;
  };

  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up();
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
  });

  test('seed.yaml to the answer of /hello prints what it should', async () => {
    const created = await ok('create', '--file', 'seed.yaml');
    assert.equal(
      created,
      [
        'BaseImage: nodejs6-base',
        'BaseImage: python3-base',
        'Image: nodejs6',
        'Image: python3',
        'Function: hello-js',
        'Function: hello-py',
      ]
        .map((line) => `Created ${line}\n`)
        .join(''),
    );
    const run = await ok('exec', 'hello-py', '--input', '{"name": "Jon", "place": "Winterfell"}', '--wait');
    const stamp =
      /"executedTime": (\d{10}),\n {4}"finishedTime": (\d{10}),\n {4}"functionId": "([0-9a-f-]{36})"/.exec(
        run,
      )!;
    const name = /"name": "([0-9a-f-]{36})"/.exec(run)![1];
    assert.equal(
      run,
      `{
    "blocking": true,
    "executedTime": ${stamp[1]},
    "finishedTime": ${stamp[2]},
    "functionId": "${stamp[3]}",
    "functionName": "hello-py",
    "input": {
        "name": "Jon",
        "place": "Winterfell"
    },
    "logs": null,
    "name": "${name}",
    "output": {
        "myField": "Hello, Jon from Winterfell"
    },
    "reason": null,
    "secrets": [],
    "status": "READY"
}
`,
    );
    await ok('exec', 'hello-js', '--input', '{"name": "Jon"}', '--wait');
    const images = await ok('get', 'images');
    assert.match(images, /^ {3}NAME {3}\| +URL +\| {2}BASEIMAGE {3}\| STATUS \| +CREATED DATE\n-+\n/);
    assert.match(
      images,
      new RegExp(
        String.raw`\n {2}nodejs6 \| dispatch\.local/nodejs-base {2}\| nodejs6-base \| READY {2}\| ${DATE}\n {2}python3 \|`,
      ),
    );
    const functions = await ok('get', 'functions');
    assert.match(
      functions,
      new RegExp(
        String.raw`^ {4}NAME {3}\| {2}IMAGE {2}\| STATUS \| +CREATED DATE\n-+\n {2}hello-js \| nodejs6 \| READY {2}\| ${DATE}\n {2}hello-py \| python3 \| READY {2}\| ${DATE}\n$`,
      ),
    );
    await ok(
      'create',
      'api',
      '--https-only',
      '--method',
      'POST',
      '--path',
      '/hello',
      'post-hello',
      'hello-py',
    );
    const { https } = await dispatch.file();
    assert.equal(
      await post(`${https}/hello`, '{"name": "Jon", "place": "winterfell"}'),
      '{"myField":"Hello, Jon from winterfell"}',
    );
  });

  test('every function of the examples runs', async () => {
    const files = await readdir(`${EXAMPLES}functions`);
    for (const file of files.filter((name) => /\.(?:js|py)$/.test(name))) {
      const name = `all-${file.replace(/\W/g, '-')}`;
      const image = file.endsWith('.py') ? 'python3' : 'nodejs6';
      await ok('create', 'function', name, `functions/${file}`, '--image', image);
      await ok('exec', name, '--wait');
    }
    await ok('create', 'secret', 'open-sesame', 'functions/secret.json');
    const told = await ok('exec', 'all-i-have-a-secret-js', '--secret', 'open-sesame', '--wait');
    assert.match(told, /The password is OpenSesame/);
    await dispatch.apply(await readFile(`${EXAMPLES}functions/greet.yaml`, 'utf8'));
    await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'function/greet', '--timeout=30s');
    const { http } = await dispatch.file();
    assert.deepEqual(await (await fetch(`${http}/greet?name=Ada`)).json(), { message: 'Hello, Ada!' });
    const { paths } = (await (await fetch(`${http}/dispatch/openapi.json`)).json()) as { paths: object };
    assert.deepEqual(Object.keys(paths).toSorted(), ['/default/greet', '/default/hello', '/greet', '/hello']);
  });

  test('one bad document does not hold up the others, and the exit code tells of it', async () => {
    const bad =
      'kind: Nonsense\nname: x\n---\nkind: Secret\nname: good\nsecrets: { a: b }\n---\nkind: Function\nname: noimage\n---\nname: nokind\n';
    const { code, stdout, stderr } = await dispatch.pipe(
      bad,
      process.execPath,
      fileURLToPath(new URL('../../bin/dispatch', import.meta.url)),
      '--kubeconfig',
      `${dispatch.dataDir}/kubeconfig`,
      'apply',
      '-f',
      '-',
    );
    assert.equal(code, 1);
    assert.equal(stdout, 'Applied Secret: good\n');
    for (const words of [
      /The kind Nonsense is not known/,
      /noimage has no image/,
      /has no kind/,
      /3 of the documents/,
    ])
      assert.match(stderr, words);
    assert.match(await ok('get', 'secret', 'good'), /<hidden>/);
    assert.match(await ok('get', 'secret', 'good', '--all'), /"a": "b"/);
  });
});

function post(url: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: 'POST', rejectUnauthorized: false, headers: { 'content-type': 'application/json' } },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => resolve(text));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
