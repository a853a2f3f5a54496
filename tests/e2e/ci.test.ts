import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Dispatch } from './dispatch.ts';
import { ObjectStore, SKIP_OBJECT_STORE } from './object-store.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';
import { ScmDouble } from './scm-double.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/pipeline/', import.meta.url));

function git(dir: string, ...args: string[]): string {
  return execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
    .toString()
    .trim();
}

function clone(dispatch: Dispatch): string {
  const dir = join(dispatch.home, 'hello-world');
  cpSync(EXAMPLE, dir, { recursive: true });
  git(dir, 'init', '--quiet', '--initial-branch=main');
  git(dir, 'add', '--all');
  git(dir, 'commit', '--quiet', '--message', 'first');
  return dir;
}

test(
  'a Dispatchfile of every language runs on this machine without a server',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    const dir = clone(dispatch);
    for (const file of ['Dispatchfile', 'Dispatchfile.star', 'Dispatchfile.yaml', 'Dispatchfile.json']) {
      const { code, stdout, stderr } = await dispatch.run(
        'ci',
        'run',
        'local',
        '--git-repo',
        dir,
        '--file',
        file,
      );
      assert.equal(code, 0, stdout + stderr);
      assert.match(
        stdout,
        /\[test\/test\] .*pass 1[\s\S]*\[build\/build\] Built sha256:[0-9a-f]{64}[\s\S]*✓ test[\s\S]*✓ build/,
      );
    }
    // Nothing has changed since: what was done is taken, with its output.
    const first = await dispatch.run('ci', 'run', 'local', '--git-repo', dir, '--reuse');
    assert.doesNotMatch(first.stdout, /taken from an earlier run/);
    const second = await dispatch.run('ci', 'run', 'local', '--git-repo', dir, '--reuse');
    assert.match(
      second.stdout,
      /\[test\/test\] .*pass 1[\s\S]*✓ test \(\d+s\), taken from an earlier run\n✓ build \(\d+s\), taken from an earlier run/,
    );
    writeFileSync(
      join(dir, 'greeting.js'),
      `${readFileSync(join(dir, 'greeting.js'), 'utf8')}\n// changed\n`,
    );
    const changed = await dispatch.run('ci', 'run', 'local', '--git-repo', dir, '--reuse');
    assert.match(changed.stdout, /✓ test \(\d+s\)\n/);
    // The files as they are now, committed or not; those that git does not know only when they are asked for.
    writeFileSync(join(dir, 'greeting.js'), 'export const greeting = () => "broken";\n');
    const broken = await dispatch.run('ci', 'run', 'local', '--git-repo', dir, '--task', 'test');
    assert.equal(broken.code, 1);
    assert.match(broken.stdout, /✗ test .*"step-test" exited with code 1/);
    assert.equal(broken.stderr, 'Error: The run has failed: see the log above.\n');
    git(dir, 'checkout', '--', 'greeting.js');
    writeFileSync(
      join(dir, 'extra.test.js'),
      'import { test } from "node:test";\ntest("extra", () => console.log("extra is here"));\n',
    );
    const without = await dispatch.run('ci', 'run', 'local', '--git-repo', dir, '--task', 'test');
    assert.doesNotMatch(without.stdout, /extra is here/);
    const untracked = await dispatch.run(
      'ci',
      'run',
      'local',
      '--git-repo',
      dir,
      '--task',
      'test',
      '--untracked',
    );
    assert.match(untracked.stdout, /extra is here/);
    assert.equal(git(dir, 'status', '--short'), '?? extra.test.js');
    const wrong = await dispatch.run('ci', 'run', 'local', '--git-repo', dir, '--task', 'tset');
    assert.equal(wrong.stderr, 'Error: There is no task "tset": the file has test, build, deploy.\n');
  },
);

test(
  'a push to a repository of the server runs its pipeline; artifacts, reruns, builds by hand',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    const ok = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await dispatch.run(...args);
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
      return stdout;
    };
    const dir = clone(dispatch);
    writeFileSync(
      join(dir, 'Dispatchfile'),
      `#!yaml
resource:
  src: {type: git, params: {url: $(context.git.url), revision: $(context.git.commit)}}
  report: {type: storage, params: {type: gcs, location: s3://artifacts/reports}}
task:
  version:
    inputs: [src]
    steps: [{name: version, image: dispatch.local/shell, command: [sh, -c, 'printf "1.%s" "$(ls /workspace/src | wc -l)"']}]
  test:
    inputs: [src]
    outputs: [report]
    steps: [{name: t, image: dispatch.local/shell, command: [sh, -c, 'mkdir $(resources.outputs.report.path)/sub && cp /workspace/src/package.json $(resources.outputs.report.path)/sub/ && ln -s /etc/passwd $(resources.outputs.report.path)/link']}]
  use:
    inputs: [report, version]
    steps: [{name: u, image: dispatch.local/shell, command: [sh, -c, 'echo version $(inputs.tasks.version.version); ls /workspace/report /workspace/report/sub; test ! -e /workspace/report/fail']}]
actions:
- {tasks: [use], on: {push: {branches: [main]}}}
- {name: often, tasks: [version], on: {cron: {schedule: '*/10 * * * * *'}}}
`,
    );
    git(dir, 'commit', '--quiet', '--all', '--message', 'pipeline');
    const url = (await ok('git', 'create', 'hello-world')).trim();
    await ok('ci', 'create', 'repository', '--url', url);
    const token = /token: (\S+)/
      .exec(readFileSync(join(dispatch.dataDir, 'kubeconfig'), 'utf8'))![1]!
      .replaceAll('"', '');
    assert.throws(
      () => git(dir, 'push', '--quiet', url.replace('://', '://any:wrong@'), 'main'),
      /Authentication failed/,
    );
    git(dir, 'push', '--quiet', url.replace('://', `://any:${token}@`), 'main');
    const run = await eventually(async () => {
      const name = await dispatch.ok(
        'get',
        'builds',
        '-o',
        'jsonpath={.items[?(@.spec.event.type=="push")].status.pipelineRun}',
      );
      assert.match(name, /^hello-world-\d+-main-[0-9a-f]{7}-\w{5}$/);
      return name;
    });
    const text = await ok('ci', 'logs', '--pipelinerun', run, '--follow');
    assert.match(text, /\[use\/u\] version 1\.9\n[\s\S]*\[use\/u\] sub\n[\s\S]*package\.json/);
    await eventually(async () =>
      assert.match(await ok('ci', 'list', 'pipelineruns'), new RegExp(`${run}\\s+Succeeded`)),
    );
    assert.match(
      await ok('ci', 'artifacts', 'list', '--pipelinerun', run),
      /\/test\/report\/sub\/package\.json/,
    );
    assert.doesNotMatch(await ok('ci', 'artifacts', 'list', '--pipelinerun', run), /link/);
    await ok(
      'ci',
      'artifacts',
      'fetch',
      '--pipelinerun',
      run,
      '--artifact-path',
      '/test/**',
      '--directory',
      join(dispatch.home, 'got'),
    );
    assert.match(
      readFileSync(join(dispatch.home, 'got/test/report/sub/package.json'), 'utf8'),
      /hello-world/,
    );
    assert.match(await ok('ci', 'describe', run), /Status:\s+Succeeded/);
    // By the clock, and by hand.
    await eventually(async () =>
      assert.match(await dispatch.ok('get', 'builds', '-o', 'jsonpath={.items[*].spec.event.type}'), /cron/),
    );
    assert.match(
      await ok('ci', 'run', 'remote', '--task', 'version', '--revision', 'main', '--follow'),
      /\[version\/version\] 1\.9/,
    );
    // Only a task and what depends on it: what others gave is taken from before.
    const again = /pipelinerun\.tekton\.dev\/(\S+) created/.exec(
      await ok('ci', 'rerun', run, '--from', 'use'),
    )![1]!;
    await eventually(async () =>
      assert.match(await ok('ci', 'describe', again), /Status:\s+(Failed|Succeeded)/),
    );
    const tasks = await ok('ci', 'list', 'tasks', '--pipelinerun', again);
    assert.doesNotMatch(tasks, /version|test/);
    // Whoever may edit a namespace may work with its pipelines, and whoever may view it may look at them.
    for (const [who, verb, what, expected] of [
      ['edit', 'create', 'pipelineruns.tekton.dev', 'yes'],
      ['edit', 'update', 'gitrepositories.run.dispatch.dev', 'yes'],
      ['view', 'create', 'repositories.dispatch.dev', 'no'],
    ] as const) {
      await dispatch.kubectl('create', 'rolebinding', who, `--clusterrole=${who}`, `--user=${who}`);
      const { stdout } = await dispatch.kubectl('auth', 'can-i', verb, what, `--as=${who}`);
      assert.equal(stdout.trim(), expected, `${who} ${verb} ${what}`);
    }
    const log = [
      'get',
      '--raw',
      `/apis/run.dispatch.dev/v1alpha1/namespaces/default/pipelineruns/${run}/log`,
    ];
    assert.match(await dispatch.ok(...log, '--as=view'), /version 1\.9/);
    assert.match((await dispatch.kubectl(...log, '--as=nobody')).stderr, /forbidden/i);
    // Their logs outlive the pods.
    await dispatch.ok('delete', 'pods', '--all');
    assert.match(await ok('ci', 'logs', '--pipelinerun', run, '--task', 'version'), /1\.9/);
  },
);

test(
  'libraries are fetched by tag and branch, pinned, and used offline; pushed images start pipelines',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    const double = await ScmDouble.start('github');
    const login = ['--scm-user', 'ada', '--scm-token', double.token, '--scm-url', double.url];
    const dir = clone(dispatch);
    try {
      double.commit({
        'steps.star':
          'load("/names", "name")\ndef steps():\n    return [k8s.corev1.Container(name = name, image = "dispatch.local/shell", command = ["true"])]\n',
        'names.star': 'name = "of-main"\n',
      });
      double.tag('v1.2.0');
      double.commit({ 'names.star': 'name = "of-later"\n' });
      const file = join(dir, 'Loading');
      const text = (ref: string): string =>
        `#!starlark\nload("scm.example.com/team/app/steps${ref}", "steps")\nload("/own", "image")\ntask("t", steps = steps())\naction(tasks = ["t"], on = p.Condition(image = p.ImageCondition(push = p.ImagePushCondition(tags = ["v*"]))))\n`;
      writeFileSync(join(dir, 'own.star'), 'image = "x"\n');
      for (const [ref, name] of [
        ['@v1.2.0', 'of-main'],
        ['@main', 'of-later'],
        ['', 'of-main'],
      ] as const) {
        writeFileSync(file, text(ref));
        const { code, stdout, stderr } = await dispatch.run('ci', 'render', '--file', file, ...login);
        assert.equal(code, 0, stderr);
        assert.match(stdout, new RegExp(`^#!yaml\\n[\\s\\S]*name: ${name}`));
      }
      writeFileSync(file, text('@main'));
      assert.equal((await dispatch.run('ci', 'vendor', '--file', file, ...login)).code, 0);
      assert.match(
        readFileSync(`${file}.lock`, 'utf8'),
        /^scm\.example\.com\/team\/app@main [0-9a-f]{40}\n$/,
      );
      double.commit({ 'names.star': 'name = "of-today"\n' });
    } finally {
      await double[Symbol.asyncDispose]();
    }
    // The provider is gone: what was pinned is here.
    const offline = await dispatch.run('ci', 'render', '--file', join(dir, 'Loading'), ...login);
    assert.match(offline.stdout, /name: of-later/, offline.stderr);
    await dispatch.up();
    const url = (await dispatch.run('git', 'create', 'hello-world')).stdout.trim();
    await dispatch.run('ci', 'repository', 'create', '--url', url);
    writeFileSync(
      join(dir, 'Dispatchfile'),
      '#!yaml\ntask: {t: {steps: [{name: s, image: dispatch.local/shell, command: ["true"]}]}}\nactions: [{tasks: [t], on: {image: {push: {tags: ["v*"]}}}}]\n',
    );
    git(dir, 'add', '--all');
    git(dir, 'commit', '--quiet', '--message', 'on images');
    const token = /token: "?([^"\s]+)/.exec(readFileSync(join(dispatch.dataDir, 'kubeconfig'), 'utf8'))![1]!;
    git(dir, 'push', '--quiet', url.replace('://', `://any:${token}@`), 'main');
    assert.equal(
      (
        await dispatch.run(
          'ci',
          'image-repository',
          'create',
          '--image',
          'registry.dispatch.local/default/watched',
          '--repository',
          'hello-world',
        )
      ).code,
      0,
    );
    const { registry } = await dispatch.file();
    assert.equal(
      (await dispatch.run('image', 'build', '-t', `${registry}/default/watched:v7`, EXAMPLE)).code,
      0,
    );
    await eventually(async () => {
      const { stdout } = await dispatch.run('ci', 'list', 'pipelineruns');
      assert.match(stdout, /hello-world-1-v7-\w+-\w+\s+Succeeded/);
    });
  },
);

test(
  'artifacts go to a bucket and come from it, and a wrong key is told',
  { skip: SKIP_SANDBOX || SKIP_OBJECT_STORE },
  async () => {
    await using store = await ObjectStore.start();
    await store.createBucket('bucket');
    await using dispatch = await Dispatch.make();
    await dispatch.up('--no-demo');
    // The storage is another machine as far as steps are concerned: loopback is out of their reach.
    const address = await dispatch.ok(
      ...['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}'],
    );
    const secret = (name: string, key: string): Promise<string> =>
      dispatch.ok(
        ...['create', 'secret', 'generic', name],
        `--from-literal=boto=[Credentials]\naws_access_key_id = ${store.accessKey}\naws_secret_access_key = ${key}\n[s3]\ns3_host = ${address}\ns3_port = ${store.port}\nis_secure = False\n`,
      );
    await secret('s3', store.secretKey);
    await secret('wrong', 'guessed');
    const taskRun = (name: string, verb: string, key: string): string => `
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: ${name}, labels: {tekton.dev/pipelineRun: build, tekton.dev/pipelineTask: make}}
spec:
  taskSpec:
    steps:
    - {name: make, image: dispatch.local/shell, script: 'mkdir -p /workspace/output/r && ${verb === 'store' ? 'echo hi > "/workspace/output/r/a b.txt"; head -c 3000000 /dev/zero > /workspace/output/r/large' : 'true'}'}
    - name: ${verb}
      image: dispatch.local/artifacts
      args: [${verb}, --name, r, --directory, /workspace/output/r, --location, s3://bucket/prefix]
      env: [{name: BOTO_CONFIG, valueFrom: {secretKeyRef: {name: ${key}, key: boto}}}]
    - {name: look, image: dispatch.local/shell, script: 'cat "/workspace/output/r/a b.txt"; wc -c < /workspace/output/r/large'}
`;
    const ended = (name: string): Promise<string> =>
      eventually(async () => {
        const path = 'jsonpath={.status.conditions[0].status}';
        const status = await dispatch.ok('get', 'taskrun', name, '-o', path);
        assert.match(status, /True|False/);
        return status;
      });
    await dispatch.apply(taskRun('put', 'store', 's3'));
    assert.equal(await ended('put'), 'True');
    assert.equal(await store.file('bucket', 'prefix/build/make/r/a%20b.txt'), 'hi\n');
    await dispatch.apply(taskRun('get', 'fetch', 's3'));
    assert.equal(await ended('get'), 'True');
    assert.equal(await dispatch.ok('logs', 'get-pod', '-c', 'step-look'), 'hi\n3000000\n');
    await dispatch.apply(taskRun('guess', 'store', 'wrong'));
    assert.equal(await ended('guess'), 'False');
    assert.match(
      await dispatch.ok('logs', 'guess-pod', '-c', 'step-store'),
      /^error: the storage .* refused .*: The request signature we calculated does not match/,
    );
  },
);
