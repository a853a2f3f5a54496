import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { whyNoSandbox } from '../../src/node/index.ts';
import { Dispatch } from './dispatch.ts';

interface Run {
  status: string;
  output: unknown;
  logs: { stdout: string[]; stderr: string[] } | null;
  error?: { type: string; message: string; stacktrace: string[] };
}

const NODE = `
const fs = require('node:fs');
module.exports = async (context, payload) => {
  console.log('called with', payload.do);
  switch (payload.do) {
    case 'value': return { answer: 42 };
    case 'promise': return new Promise((resolve) => setImmediate(() => resolve('later')));
    case 'throw': throw new TypeError('it does not work');
    case 'input': { const error = new Error('no such thing'); error.name = 'InputError'; throw error; }
    case 'exit': process.exit(3);
    case 'loop': for (;;);
    case 'hang': return new Promise(() => {});
    case 'memory': { const all = []; for (;;) all.push(Buffer.alloc(1024 * 1024, 1)); }
    case 'large': return 'x'.repeat(10 * 1024 * 1024);
    case 'logs': for (let at = 0; at < 5000; at += 1) console.log('line', at); console.error('bad'); return 'logged';
    case 'cycle': { const a = {}; a.a = a; return a; }
    case 'late': setImmediate(() => { throw new Error('too late'); }); return new Promise(() => {});
    case 'context': return { keys: Object.keys(context).sort(), deadline: context.deadline, secrets: context.secrets, services: context.serviceBindings };
    default: return payload;
  }
};
`;
const PYTHON = `
import os, sys, threading
def handle(ctx, payload):
    do = payload.get("do")
    print("called with", do)
    if do == "value": return {"answer": 42}
    if do == "throw": raise ValueError("it does not work")
    if do == "exit": sys.exit(3)
    if do == "loop":
        while True: pass
    if do == "hang": threading.Event().wait()
    if do == "memory":
        all = []
        while True: all.append(bytearray(b"x" * (1024 * 1024)))
    if do == "large": return "x" * (10 * 1024 * 1024)
    if do == "logs":
        for at in range(5000): print("line", at)
        print("bad", file=sys.stderr)
        return "logged"
    if do == "object": return object()
    if do == "context": return {"secrets": ctx["secrets"], "services": ctx["serviceBindings"], "deadline": ctx.deadline}
    return payload
`;
const SEED = 'tests/functions';

const MAVEN = await hasMaven();

describe('functions', { skip: whyNoSandbox() ?? false }, () => {
  let dispatch: Dispatch;
  let http = '';

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await dispatch.runIn(join(dispatch.home, SEED), ...args);
    assert.equal(code, 0, `dispatch ${args.join(' ')}: ${stderr}${stdout.slice(-500)}`);
    return stdout;
  };
  const exec = async (fn: string, input: unknown): Promise<Run> => {
    const args = ['exec', fn, '--wait', '--input', JSON.stringify(input)];
    const { stdout, stderr } = await dispatch.runIn(join(dispatch.home, SEED), ...args);
    assert.equal(stderr, '');
    return JSON.parse(stdout) as Run;
  };
  const call = (path: string, body: unknown): Promise<Response> =>
    fetch(http + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  before(async () => {
    dispatch = await Dispatch.make();
    const dir = join(dispatch.home, SEED);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'node.js'), NODE);
    await writeFile(join(dir, 'snake.py'), PYTHON);
    await writeFile(join(dir, 'secret.json'), '{"password":"open sesame"}');
    await dispatch.up();
    ({ http } = await dispatch.file());
    await ok('create', 'seed-images');
    await ok('create', 'secret', 'word', 'secret.json');
    const limits = ['--timeout', '1500', '--memory', '128Mi', '--secret', 'word', '--service', 'word'];
    await ok('create', 'function', 'node', 'node.js', '--image', 'nodejs', ...limits);
    await ok('create', 'function', 'snake', 'snake.py', '--image', 'python3', ...limits);
    for (const name of ['node', 'snake'])
      await ok('create', 'api', name, name, '--path', `/${name}`, '-m', 'POST');
    await Promise.all(['node', 'snake'].map((name) => ok('exec', name, '--wait')));
  });

  after(async () => {
    await dispatch?.[Symbol.asyncDispose]();
  });

  describe('what they do, beside each other', { concurrency: 2 }, () => {
    // Calls of one function see how its process ends for others: those are one after the other.
    for (const fn of ['node', 'snake'])
      describe(fn, { concurrency: 1 }, () => {
        test(`${fn}: what a handler gives is the output, and what it prints is kept`, async () => {
          const run = await exec(fn, { do: 'value' });
          assert.deepEqual([run.status, run.output], ['READY', { answer: 42 }]);
          assert.deepEqual(run.logs?.stdout, ['called with value']);
          const { output } = await exec(fn, { do: 'context' });
          const { secrets, services } = output as { secrets: unknown; services: unknown };
          assert.deepEqual(secrets, { password: 'open sesame' });
          assert.deepEqual(services, { word: { password: 'open sesame' } });
        });

        test(`${fn}: an exception is a FunctionError with its stack, and harms nobody`, async () => {
          const run = await exec(fn, { do: 'throw' });
          assert.equal(run.status, 'ERROR');
          assert.equal(run.error?.type, 'FunctionError');
          assert.match(run.error?.message ?? '', /(?:TypeError|ValueError): it does not work/);
          assert.match(run.error?.stacktrace.join('\n') ?? '', /node\.js|snake\.py/);
          assert.deepEqual(run.logs?.stdout, ['called with throw']);
          assert.equal((await call(`/${fn}`, { do: 'throw' })).status, 502);
          assert.equal((await exec(fn, { do: 'value' })).status, 'READY');
        });

        test(`${fn}: an exit, a loop and too much memory end the process and not the function`, async () => {
          for (const [what, words, status] of [
            ['exit', /exit code 3/, 502],
            ['loop', /did not end within 1500 ms/, 504],
            ['hang', /did not end within 1500 ms/, 504],
            ['memory', /more memory/, 502],
          ] as const) {
            const run = await exec(fn, { do: what });
            assert.equal(run.error?.type, 'FunctionError', what);
            assert.match(run.error?.message ?? '', words);
            assert.deepEqual(run.logs?.stdout, [`called with ${what}`], 'what was printed before is kept');
            assert.equal((await exec(fn, { do: 'value' })).status, 'READY', `after ${what}`);
            const response = await call(`/${fn}`, { do: what });
            assert.equal(response.status, status, what);
            assert.equal(((await response.json()) as { type: string }).type, 'FunctionError');
          }
        });

        test(`${fn}: large outputs and many lines go through`, async () => {
          const response = await call(`/${fn}`, { do: 'large' });
          assert.equal(((await response.json()) as string).length, 10 * 1024 * 1024);
          const run = await exec(fn, { do: 'logs' });
          assert.equal(run.logs?.stdout.length, 5001);
          assert.deepEqual(run.logs?.stderr, ['bad']);
        });
      });

    test('a broken handler makes an ERROR with the words of its runtime', async () => {
      const dir = join(dispatch.home, SEED);
      await writeFile(join(dir, 'broken.js'), 'module.exports = (a => ;');
      await writeFile(join(dir, 'broken.py'), 'def handle(ctx payload):\n  pass\n');
      await ok('create', 'function', 'broken-js', 'broken.js', '--image', 'nodejs');
      await ok('create', 'function', 'broken-py', 'broken.py', '--image', 'python3');
      for (const [name, words] of [
        ['broken-js', /SyntaxError: Unexpected token/],
        ['broken-py', /SyntaxError/],
      ] as const) {
        await dispatch.ok(
          'wait',
          '--for=jsonpath={.status.phase}=ERROR',
          `function/${name}`,
          '--timeout=20s',
        );
        assert.match(await dispatch.ok('get', 'function', name, '-o', 'jsonpath={.status.reason[0]}'), words);
        const { code, stderr } = await dispatch.run('exec', name, '--wait');
        assert.equal(code, 1);
        assert.match(stderr, /is not READY/);
      }
    });

    test('new code takes over under load without a lost request, and the way back is there', async () => {
      const dir = join(dispatch.home, SEED);
      const version = (number: number): Promise<void> =>
        writeFile(
          join(dir, 'versions.js'),
          `module.exports = async () => { await new Promise((r) => setTimeout(r, 5)); return ${number}; };`,
        );
      await version(1);
      await ok('create', 'function', 'versions', 'versions.js', '--image', 'nodejs');
      await ok('create', 'api', 'versions', 'versions', '--path', '/versions', '-m', 'POST');
      await ok('exec', 'versions', '--wait');
      let rolling = true;
      const seen = new Set<unknown>();
      const failures: string[] = [];
      const client = async (): Promise<void> => {
        while (rolling) {
          const response = await call('/versions', {});
          const text = await response.text();
          if (response.status === 200) seen.add(JSON.parse(text));
          else failures.push(`${response.status} ${text}`);
        }
      };
      const clients = Array.from({ length: 8 }, client);
      for (const number of [2, 3]) {
        await version(number);
        await ok('update', 'function', 'versions', 'versions.js');
        while (!seen.has(number))
          await call('/versions', {}).then(async (response) => seen.add(await response.json()));
      }
      rolling = false;
      await Promise.all(clients);
      assert.deepEqual(failures, []);
      const revisions = JSON.parse(await ok('function', 'revisions', 'versions', '-o', 'json')) as {
        name: string;
      }[];
      assert.equal(revisions.length, 3);
      await ok('function', 'rollback', 'versions');
      await dispatch.ok(
        'wait',
        `--for=jsonpath={.status.revision}=${revisions[1]!.name}`,
        'function/versions',
        '--timeout=20s',
      );
      assert.equal((await (await call('/versions', {})).json()) as number, 2);
      await ok('function', 'traffic', 'versions', '--to', `${revisions[0]!.name}=50`);
      const both = new Set<unknown>();
      while (both.size < 2) both.add(await (await call('/versions', {})).json());
      assert.deepEqual([...both].sort(), [2, 3]);
    });

    test('nobody calls, nobody runs; a burst from zero is answered, all of it', async () => {
      const dir = join(dispatch.home, SEED);
      await writeFile(join(dir, 'idle.js'), 'module.exports = () => process.pid;');
      const flags = ['--image', 'nodejs', '--idle-timeout', '1s', '--concurrency', '10', '--max-scale', '3'];
      await ok('create', 'function', 'idle', 'idle.js', ...flags);
      await ok('create', 'api', 'idle', 'idle', '--path', '/idle', '-m', 'POST');
      await ok('exec', 'idle', '--wait');
      await dispatch.ok('wait', '--for=jsonpath={.status.instances}=0', 'function/idle', '--timeout=30s');
      const answers = await Promise.all(Array.from({ length: 100 }, () => call('/idle', {})));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      await dispatch.ok('wait', '--for=jsonpath={.status.instances}=0', 'function/idle', '--timeout=30s');
    });

    test('what a run prints can be read while it goes on', async () => {
      const dir = join(dispatch.home, SEED);
      await writeFile(
        join(dir, 'live.js'),
        `module.exports = async (_, { until }) => {
  console.log('first');
  while (Date.now() < until) await new Promise((r) => setTimeout(r, 20));
  console.log('last');
};`,
      );
      await ok('create', 'function', 'live', 'live.js', '--image', 'nodejs', '--timeout', '20000');
      const until = Date.now() + 6000;
      const { name } = JSON.parse(await ok('exec', 'live', '--input', JSON.stringify({ until }))) as {
        name: string;
      };
      let text = '';
      const path = `/apis/run.dispatch.dev/v1alpha1/namespaces/default/functionruns/${name}/log`;
      const stream = await dispatch
        .client()
        .stream({ method: 'GET', path, query: new URLSearchParams({ follow: 'true' }) });
      let first = 0;
      for await (const chunk of stream) {
        text += Buffer.from(chunk).toString();
        if (first === 0 && text.includes('first')) first = Date.now();
      }
      assert.ok(first > 0 && first < until, 'the first line came before the end');
      assert.equal(text, 'first\nlast\n');
    });

    const hasPip = spawnSync('python3', ['-m', 'pip', '--version']).status === 0;
    test(
      'images bring the libraries that functions need',
      { skip: hasPip ? false : 'no pip is installed' },
      async () => {
        const dir = join(dispatch.home, SEED);
        const pack = join(dir, 'pack');
        await mkdir(join(pack, 'package'), { recursive: true });
        await writeFile(
          join(pack, 'package', 'package.json'),
          '{"name":"own-words","version":"1.0.0","main":"main.js"}',
        );
        await writeFile(join(pack, 'package', 'main.js'), "module.exports = (name) => 'Servus, ' + name;");
        assert.equal(spawnSync('tar', ['-czf', 'own-words.tgz', 'package'], { cwd: pack }).status, 0);
        const wheel = `import zipfile
z = zipfile.ZipFile("own_words-1.0.0-py3-none-any.whl", "w")
z.writestr("own_words.py", "def greet(name):\\n    return 'Servus, ' + name\\n")
z.writestr("own_words-1.0.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own-words\\nVersion: 1.0.0\\n")
z.writestr("own_words-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
z.writestr("own_words-1.0.0.dist-info/RECORD", "")
`;
        assert.equal(spawnSync('python3', ['-c', wheel], { cwd: pack }).status, 0);
        await dispatch.ok(
          'create',
          'configmap',
          'files',
          `--from-file=${pack}/own-words.tgz`,
          `--from-file=${pack}/own_words-1.0.0-py3-none-any.whl`,
        );
        const serve =
          "require('http').createServer((q, a) => require('fs').createReadStream('/files' + q.url).on('error', () => a.writeHead(404).end()).pipe(a)).listen(8080)";
        await dispatch.apply(
          JSON.stringify({
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name: 'files', namespace: 'default', labels: { app: 'files' } },
            spec: {
              volumes: [{ name: 'files', configMap: { name: 'files' } }],
              containers: [
                {
                  name: 'files',
                  image: 'dispatch.local/node',
                  command: ['node', '-e', serve],
                  volumeMounts: [{ name: 'files', mountPath: '/files' }],
                  readinessProbe: { tcpSocket: { port: 8080 } },
                },
              ],
            },
          }),
        );
        await dispatch.ok('expose', 'pod', 'files', '--port=80', '--target-port=8080');
        await dispatch.ok('wait', '--for=condition=Ready', 'pod/files', '--timeout=30s');
        await writeFile(
          join(dir, 'package.json'),
          '{"dependencies":{"own-words":"http://files.default.svc/own-words.tgz"}}',
        );
        await writeFile(
          join(dir, 'requirements.txt'),
          'own-words @ http://files.default.svc/own_words-1.0.0-py3-none-any.whl\n',
        );
        await ok('create', 'image', 'node-words', 'nodejs-base', '--runtime-deps', 'package.json');
        await ok('create', 'image', 'python-words', 'python3-base', '--runtime-deps', 'requirements.txt');
        await ok('create', 'image', 'broken-words', 'nodejs-base', '--runtime-deps', 'node.js');
        await writeFile(
          join(dir, 'words.js'),
          "const greet = require('own-words'); module.exports = (_, { name }) => greet(name);",
        );
        await writeFile(
          join(dir, 'words.py'),
          'from own_words import greet\n\ndef handle(ctx, payload):\n    return greet(payload["name"])\n',
        );
        await ok('create', 'function', 'words-js', 'words.js', '--image', 'node-words');
        await ok('create', 'function', 'words-py', 'words.py', '--image', 'python-words');
        await dispatch.ok(
          'wait',
          '--for=jsonpath={.status.phase}=READY',
          'function/words-js',
          'function/words-py',
          '--timeout=90s',
        );
        for (const name of ['words-js', 'words-py'])
          assert.equal((await exec(name, { name: 'Ada' })).output, 'Servus, Ada');
        await dispatch.ok(
          'wait',
          '--for=jsonpath={.status.phase}=ERROR',
          'image.dispatch.dev/broken-words',
          '--timeout=60s',
        );
        assert.match(await ok('get', 'image', 'broken-words', '-o', 'json'), /could not be built/);
      },
    );

    const hasJava = spawnSync('javac', ['-version']).error === undefined;
    test(
      'java: classes with types of their own, exceptions, and what does not compile',
      { skip: hasJava ? false : 'no JDK is installed' },
      async () => {
        const dir = join(dispatch.home, SEED);
        await writeFile(
          join(dir, 'Hello.java'),
          `package demo;
import java.util.Map; import java.util.function.BiFunction;
public class Hello implements BiFunction<Map<String, Object>, Hello.In, Hello.Out> {
  public static class In { String name = "Someone"; }
  public static class Out { String myField; Out(String text) { myField = text; } }
  public Out apply(Map<String, Object> context, In in) {
    System.out.println("hello to " + in.name);
    if (in.name.equals("exit")) System.exit(3);
    if (in.name.equals("bad")) throw new IllegalArgumentException("not that one");
    return new Out("Hello, " + in.name);
  }
}
`,
        );
        await ok('create', 'base-image', 'java-base', 'dispatch.local/java-base');
        await ok('create', 'image', 'java', 'java-base');
        await ok('create', 'function', 'java', 'Hello.java', '--image', 'java', '--handler', 'demo.Hello');
        await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'function/java', '--timeout=60s');
        const run = await exec('java', { name: 'Jon' });
        assert.deepEqual([run.output, run.logs?.stdout], [{ myField: 'Hello, Jon' }, ['hello to Jon']]);
        const failed = await exec('java', { name: 'bad' });
        assert.equal(failed.error?.message, 'java.lang.IllegalArgumentException: not that one');
        assert.match(failed.error?.stacktrace[0] ?? '', /demo\.Hello\.apply\(Hello\.java:9\)/);
        assert.match((await exec('java', { name: 'exit' })).error?.message ?? '', /exit code 3/);
        await writeFile(
          join(dir, 'Typed.java'),
          `import java.util.*; import java.util.function.BiFunction;
public class Typed implements BiFunction<Map<String, Object>, Typed.Order, String> {
  enum Size { SMALL, LARGE }
  record Item(String name, int count, Size size) {}
  record Order(String to, List<Item> items) {}
  public String apply(Map<String, Object> context, Order order) {
    int count = 0;
    for (Item item : order.items()) count += item.count() * (item.size() == Size.LARGE ? 2 : 1);
    return order.to() + " " + count;
  }
}
`,
        );
        await ok('create', 'function', 'typed-java', 'Typed.java', '--image', 'java');
        await dispatch.ok(
          'wait',
          '--for=jsonpath={.status.phase}=READY',
          'function/typed-java',
          '--timeout=60s',
        );
        const items = [{ name: 'a', count: 2, size: 'LARGE' }, { name: 'b', count: 1 }, { name: 'c' }];
        assert.equal((await exec('typed-java', { to: 'Ada', items })).output, 'Ada 5');
        const wrong = await exec('typed-java', { to: 'Ada', items: [{ size: 'HUGE' }] });
        assert.deepEqual([wrong.error?.type, wrong.error?.message], ['InputError', '"HUGE" is no Size.']);
        await writeFile(join(dir, 'Bad.java'), 'class Bad { int x = "text"; }');
        await ok('create', 'function', 'bad-java', 'Bad.java', '--image', 'java');
        await dispatch.ok(
          'wait',
          '--for=jsonpath={.status.phase}=ERROR',
          'function/bad-java',
          '--timeout=60s',
        );
        assert.match(
          await dispatch.ok('get', 'function', 'bad-java', '-o', 'jsonpath={.status.reason[0]}'),
          /Bad\.java:1: error: incompatible types/,
        );
      },
    );

    test(
      'java: a bean of Spring, with what a pom.xml asks for',
      { skip: MAVEN ? false : 'only with DISPATCH_TEST_MAVEN=1, Maven, and a way to its repository' },
      async () => {
        const dir = join(dispatch.home, SEED);
        await writeFile(
          join(dir, 'pom.xml'),
          '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>demo</groupId><artifactId>demo</artifactId><version>1</version><dependencies><dependency><groupId>org.springframework</groupId><artifactId>spring-context</artifactId><version>6.1.14</version></dependency></dependencies></project>',
        );
        await writeFile(
          join(dir, 'HelloSpring.java'),
          `package demo;
import java.util.Map; import java.util.function.BiFunction;
import org.springframework.context.annotation.*;
@Configuration
public class HelloSpring {
  public record Person(String name) {}
  @Bean public String greeting() { return "Hello"; }
  @Bean public BiFunction<Map<String, Object>, Person, String> hello(String greeting) {
    return (context, person) -> greeting + ", " + person.name();
  }
}
`,
        );
        await ok('create', 'base-image', 'java-maven', 'dispatch.local/java-base', '--language', 'java');
        await ok('create', 'image', 'java-spring', 'java-maven', '--runtime-deps', 'pom.xml');
        await ok('create', 'function', 'spring', 'HelloSpring.java', '--image', 'java-spring');
        await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'function/spring', '--timeout=90s');
        assert.equal((await exec('spring', { name: 'Ada' })).output, 'Hello, Ada');
      },
    );

    test('an image that answers HTTP gets requests as they are, and ends when nobody calls', async () => {
      const dir = join(dispatch.home, SEED, 'web');
      await mkdir(dir, { recursive: true });
      await writeFile(
        join(dir, 'main.js'),
        "require('node:http').createServer((q, a) => { let b = ''; q.on('data', (c) => { b += c; }).on('end', () => { a.writeHead(q.url === '/web/no' ? 404 : 201, { 'x-own': 'yes', 'content-type': 'application/json' }); a.end(JSON.stringify({ method: q.method, url: q.url, body: b, word: process.env.WORD })); }); }).listen(Number(process.env.PORT));",
      );
      await writeFile(
        join(dir, 'Dockerfile'),
        'FROM dispatch.local/node\nCOPY main.js /main.js\nENTRYPOINT ["node", "/main.js"]\n',
      );
      const { registry } = await dispatch.file();
      const image = `${new URL(registry!.includes('://') ? registry! : `http://${registry}`).host}/default/web:1`;
      await ok('image', 'build', 'web', '-t', image);
      await ok(
        'create',
        'function',
        'web',
        '--image',
        image,
        '--http',
        '--env',
        'WORD=mellon',
        '--idle-timeout',
        '1s',
      );
      await ok('create', 'api', 'web', 'web', '--path', '/web/*', '-m', 'POST', '-m', 'GET');
      await dispatch.ok('wait', '--for=jsonpath={.status.phase}=READY', 'function/web', '--timeout=60s');
      for (const _ of ['warm', 'from none']) {
        const answer = await fetch(`${http}/web/a?b=c`, { method: 'POST', body: 'text' });
        assert.deepEqual([answer.status, answer.headers.get('x-own')], [201, 'yes']);
        assert.deepEqual(await answer.json(), {
          method: 'POST',
          url: '/web/a?b=c',
          body: 'text',
          word: 'mellon',
        });
        assert.equal((await fetch(`${http}/web/no`)).status, 404, 'its own status goes through');
        await dispatch.ok('wait', '--for=jsonpath={.status.instances}=0', 'function/web', '--timeout=30s');
      }
      const run = await exec('web', { n: 1 });
      assert.deepEqual((run.output as { body: string }).body, '{"n":1}');
    });

    test('instances that are always to be there are there before anybody calls', async () => {
      await ok(
        'create',
        'function',
        'kept',
        'idle.js',
        '--image',
        'nodejs',
        '--min-scale',
        '2',
        '--idle-timeout',
        '1s',
      );
      await dispatch.ok('wait', '--for=jsonpath={.status.instances}=2', 'function/kept', '--timeout=30s');
    });

    test('directories, TypeScript, modules and environment', async () => {
      const dir = join(dispatch.home, SEED, 'directory');
      await mkdir(join(dir, 'lib'), { recursive: true });
      await writeFile(
        join(dir, 'lib', 'greet.ts'),
        'export const greet = (name: string): string => [process.env.WORD, name].join(", ");',
      );
      await writeFile(
        join(dir, 'index.ts'),
        `import { greet } from './lib/greet.ts';
interface Input { name: string }
export default async (context: unknown, { name }: Input): Promise<string> => greet(name);
`,
      );
      await ok(
        'create',
        'function',
        'typed',
        'directory',
        '--image',
        'nodejs',
        '--handler',
        './index.ts',
        '--env',
        'WORD=Servus',
      );
      assert.equal((await exec('typed', { name: 'Ada' })).output, 'Servus, Ada');
    });
  });

  test('outputs that are no JSON, errors of late and inputs that are refused are told apart', async () => {
    for (const [fn, what, type, status] of [
      ['node', 'cycle', 'FunctionError', 502],
      ['snake', 'object', 'FunctionError', 502],
      ['node', 'late', 'FunctionError', 502],
      ['node', 'input', 'InputError', 422],
    ] as const) {
      const response = await call(`/${fn}`, { do: what });
      assert.equal(response.status, status, `${fn} ${what}`);
      assert.equal(((await response.json()) as { type: string }).type, type);
    }
    assert.equal((await exec('node', { do: 'promise' })).output, 'later');
  });

  test('a gateway that is killed comes back, and knows every function', async () => {
    const { pid } = await dispatch.file();
    const accepted = JSON.parse(await ok('exec', 'node', '--input', '{"do":"value"}')) as { name: string };
    const { stdout } = await dispatch.pipe('', 'pgrep', '-P', String(pid), '-f', 'data-plane');
    process.kill(Number(stdout.trim().split('\n')[0]), 'SIGKILL');
    while ((await call('/node', { do: 'value' }).catch(() => undefined))?.status !== 200);
    assert.equal((await exec('snake', { do: 'value' })).status, 'READY');
    while (!(await ok('get', 'run', 'node', accepted.name)).includes('READY'));
  });
});

async function hasMaven(): Promise<boolean> {
  // What it fetches comes from far away, and takes its time.
  if (process.env['DISPATCH_TEST_MAVEN'] !== '1') return false;
  if (spawnSync('mvn', ['-version']).error !== undefined) return false;
  const place = 'https://repo1.maven.org/maven2/org/springframework/spring-context/maven-metadata.xml';
  return fetch(place, { method: 'HEAD', signal: AbortSignal.timeout(5_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}
