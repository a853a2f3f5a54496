import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { stringify } from 'yaml';
import { Dispatch } from './dispatch.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const SHELL = 'dispatch.local/shell';

/** A task with one step that runs a script. */
function task(name: string, script: string, more: object = {}): object {
  return { name, taskSpec: { steps: [{ name: 'step', image: SHELL, script }] }, ...more };
}

interface RunStatus {
  conditions: { reason: string; status: string; message: string }[];
  results?: { name: string; value: unknown }[];
  skippedTasks?: { name: string; reason: string }[];
  childReferences?: { name: string; pipelineTaskName: string }[];
}

suite('pipelines', { skip: SKIP_SANDBOX, concurrency: 4 }, () => {
  let dispatch: Dispatch;
  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up();
  });
  after(() => dispatch[Symbol.asyncDispose]());

  const start = (name: string, pipelineSpec: object, spec: object = {}): Promise<void> =>
    dispatch.apply(
      stringify({
        apiVersion: 'tekton.dev/v1',
        kind: 'PipelineRun',
        metadata: { name },
        spec: { pipelineSpec, ...spec },
      }),
    );
  const statusOf = async (name: string): Promise<RunStatus> =>
    (JSON.parse(await dispatch.ok('get', 'pipelinerun', name, '-o', 'json')) as { status: RunStatus }).status;
  const ended = (name: string): Promise<RunStatus> =>
    eventually(async () => {
      const status = await statusOf(name);
      assert.notEqual(status.conditions[0]?.status, 'Unknown', JSON.stringify(status.conditions));
      return status;
    });
  const run = async (name: string, pipelineSpec: object, spec: object = {}): Promise<RunStatus> => {
    await start(name, pipelineSpec, spec);
    return ended(name);
  };
  const logs = async (name: string, ...flags: string[]): Promise<string> => {
    const { stdout, stderr, code } = await dispatch.run(
      'ci',
      'logs',
      '--pipelinerun',
      name,
      '--follow',
      ...flags,
    );
    assert.equal(code, 0, stderr);
    return stdout;
  };

  test('results of every type reach other tasks and the pipeline; stdout becomes one', async () => {
    const status = await run('results', {
      results: [{ name: 'all', value: '$(tasks.use.results.all)' }],
      tasks: [
        {
          name: 'make',
          taskSpec: {
            results: [
              { name: 'text' },
              { name: 'list', type: 'array' },
              { name: 'map', type: 'object', properties: { key: {} } },
              { name: 'printed' },
            ],
            steps: [
              {
                name: 'write',
                image: SHELL,
                script: `printf one > $(results.text.path); printf '["a","b"]' > $(results.list.path); printf '{"key":"v"}' > $(results.map.path)`,
              },
              {
                name: 'print',
                image: SHELL,
                command: ['sh', '-c', 'printf out; echo err >&2'],
                stdoutConfig: { path: '$(results.printed.path)' },
              },
            ],
          },
        },
        {
          name: 'use',
          params: [
            {
              name: 'text',
              value:
                '$(tasks.make.results.text)-$(tasks.make.results.list[1])-$(tasks.make.results.map.key)-$(tasks.make.results.printed)',
            },
            { name: 'list', value: ['$(tasks.make.results.list[*])', 'c'] },
          ],
          taskSpec: {
            params: [{ name: 'text' }, { name: 'list', type: 'array' }],
            results: [{ name: 'all' }],
            steps: [
              {
                name: 'join',
                image: SHELL,
                args: ['$(params.list[*])'],
                script: `printf '%s' "$(params.text) $*" > $(results.all.path)`,
              },
            ],
          },
        },
      ],
    });
    assert.equal(status.conditions[0]?.reason, 'Succeeded', status.conditions[0]?.message);
    assert.deepEqual(status.results, [{ name: 'all', value: 'one-b-v-out a b c' }]);
  });

  test('when, skipped tasks, finally and their states', async () => {
    const status = await run('skips', {
      params: [{ name: 'go', default: 'never' }],
      tasks: [
        task('first', 'printf 1 > $(results.r.path)', {
          taskSpec: {
            results: [{ name: 'r' }],
            steps: [{ image: SHELL, script: 'printf 1 > $(results.r.path)' }],
          },
        }),
        task('skipped', 'exit 1', { when: [{ input: '$(params.go)', operator: 'in', values: ['right'] }] }),
        task('ordered', 'true', { runAfter: ['skipped'] }),
        task('by-cel', 'exit 1', { when: [{ cel: "'$(params.go)' == 'right'" }] }),
        task('by-result', 'true', {
          when: [{ input: '$(tasks.first.results.r)', operator: 'notin', values: ['2'] }],
        }),
      ],
      finally: [
        {
          name: 'tell',
          params: [{ name: 's', value: '$(tasks.status) $(tasks.first.status) $(tasks.skipped.status)' }],
          taskSpec: {
            params: [{ name: 's' }],
            steps: [{ name: 'say', image: SHELL, script: 'echo "states: $(params.s)"' }],
          },
        },
      ],
    });
    assert.equal(status.conditions[0]?.reason, 'Completed');
    assert.equal(status.conditions[0]?.message, 'Tasks Completed: 4 (Failed: 0, Cancelled 0), Skipped: 2');
    assert.deepEqual(status.skippedTasks?.map(({ name, reason }) => [name, reason]).sort(), [
      ['by-cel', 'When Expressions evaluated to false'],
      ['skipped', 'When Expressions evaluated to false'],
    ]);
    assert.match(await logs('skips', '--task', 'tell'), /states: Completed Succeeded None/);
  });

  test('a failure stops what has not begun, and the end is run all the same', async () => {
    const status = await run('fails', {
      tasks: [task('bad', 'echo broken; exit 3'), task('next', 'true', { runAfter: ['bad'] })],
      finally: [task('clean', 'true')],
    });
    assert.equal(status.conditions[0]?.reason, 'Failed');
    assert.equal(status.conditions[0]?.message, 'Tasks Completed: 2 (Failed: 1, Cancelled 0), Skipped: 1');
    assert.deepEqual(
      status.skippedTasks?.map(({ reason }) => reason),
      ['PipelineRun was stopping'],
    );
    assert.equal(
      await dispatch.ok(
        'get',
        'taskrun',
        'fails-bad',
        '-o',
        'jsonpath={.status.conditions[0].reason}: {.status.conditions[0].message}',
      ),
      'Failed: "step-step" exited with code 3',
    );
  });

  test('a failure that is to be ignored is ignored, of a step and of a task', async () => {
    const status = await run('ignored', {
      tasks: [
        {
          name: 'steps',
          taskSpec: {
            steps: [
              { name: 'bad', image: SHELL, script: 'exit 1', onError: 'continue' },
              { name: 'good', image: SHELL, script: 'echo went on' },
            ],
          },
        },
        task('whole', 'exit 1', { onError: 'continue' }),
        task('after', 'true', { runAfter: ['whole', 'steps'] }),
      ],
    });
    assert.equal(status.conditions[0]?.reason, 'Succeeded', status.conditions[0]?.message);
    assert.match(await logs('ignored', '--task', 'steps'), /went on/);
  });

  test('retries keep what failed, and timeouts end what hangs', async () => {
    const [retried, late, tasksLate] = await Promise.all([
      run('retried', { tasks: [task('flaky', 'test "$(context.task.retry-count)" = 1', { retries: 2 })] }),
      run('late', { tasks: [task('slow', 'sleep 60', { timeout: '1s' })] }),
      run(
        'tasks-late',
        { tasks: [task('slow', 'sleep 60')], finally: [task('end', 'true')] },
        { timeouts: { tasks: '1s', pipeline: '30s' } },
      ),
    ]);
    assert.equal(retried.conditions[0]?.reason, 'Succeeded', retried.conditions[0]?.message);
    assert.equal(
      await dispatch.ok(
        'get',
        'taskrun',
        'retried-flaky',
        '-o',
        'jsonpath={.status.retriesStatus[*].conditions[0].reason}',
      ),
      'Failed',
    );
    assert.equal(late.conditions[0]?.reason, 'Failed');
    assert.equal(
      await dispatch.ok('get', 'taskrun', 'late-slow', '-o', 'jsonpath={.status.conditions[0].reason}'),
      'TaskRunTimeout',
    );
    assert.equal(tasksLate.conditions[0]?.reason, 'PipelineRunTimeout');
    assert.ok(tasksLate.childReferences?.some((child) => child.pipelineTaskName === 'end'));
  });

  test('cancelled, and cancelled gracefully', async () => {
    for (const [name, word] of [
      ['cancelled', 'Cancelled'],
      ['graceful', 'CancelledRunFinally'],
    ] as const) {
      await start(name, { tasks: [task('slow', 'sleep 60')], finally: [task('end', 'true')] });
      await eventually(async () =>
        assert.match(
          await dispatch.ok(
            'get',
            'taskrun',
            `${name}-slow`,
            '-o',
            'jsonpath={.status.conditions[0].reason}',
          ),
          /Running/,
        ),
      );
      await dispatch.ok(
        'patch',
        'pipelinerun',
        name,
        '--type=merge',
        '-p',
        JSON.stringify({ spec: { status: word } }),
      );
      const status = await ended(name);
      assert.equal(status.conditions[0]?.reason, 'Cancelled');
      assert.equal(
        status.childReferences?.some((child) => child.pipelineTaskName === 'end'),
        name === 'graceful',
      );
      assert.equal(
        await dispatch.ok('get', 'taskrun', `${name}-slow`, '-o', 'jsonpath={.status.conditions[0].reason}'),
        'TaskRunCancelled',
      );
    }
  });

  test('a matrix makes a run of each combination, and its results a list', async () => {
    const status = await run('matrix', {
      results: [{ name: 'all', value: '$(tasks.fan.results.pair[*])' }],
      tasks: [
        {
          name: 'fan',
          matrix: {
            params: [
              { name: 'os', value: ['linux', 'mac'] },
              { name: 'arch', value: ['amd', 'arm'] },
            ],
          },
          taskSpec: {
            params: [{ name: 'os' }, { name: 'arch' }],
            results: [{ name: 'pair' }],
            steps: [
              {
                name: 's',
                image: SHELL,
                script: 'printf $(params.os)/$(params.arch) > $(results.pair.path)',
              },
            ],
          },
        },
      ],
    });
    assert.equal(status.conditions[0]?.reason, 'Succeeded', status.conditions[0]?.message);
    assert.equal(status.childReferences?.length, 4);
    assert.deepEqual(status.results?.[0]?.value, ['linux/amd', 'linux/arm', 'mac/amd', 'mac/arm']);
  });

  test('workspaces are shared; claims are made; sidecars stand by; interpreters are chosen', async () => {
    const workspace = { workspaces: [{ name: 'data', workspace: 'shared' }] };
    const spec = (script: string, more: object = {}): object => ({
      workspaces: [{ name: 'data' }],
      steps: [{ name: 's', image: 'dispatch.local/node', script }],
      ...more,
    });
    const status = await run(
      'workspaces',
      {
        workspaces: [{ name: 'shared' }, { name: 'absent', optional: true }],
        tasks: [
          {
            name: 'write',
            ...workspace,
            taskSpec: spec(
              '#!/usr/bin/env node\nrequire("fs").writeFileSync("$(workspaces.data.path)/file", "from node")',
            ),
          },
          {
            name: 'read',
            ...workspace,
            runAfter: ['write'],
            taskSpec: spec(
              'grep "from node" $(workspaces.data.path)/file && node -e "fetch(\'http://127.0.0.1:9000\').then(r => r.text()).then(console.log)"',
              {
                sidecars: [
                  {
                    name: 'server',
                    image: 'dispatch.local/node',
                    command: [
                      'node',
                      '-e',
                      'require("http").createServer((_, a) => a.end("from the sidecar")).listen(9000)',
                    ],
                    startupProbe: { tcpSocket: { port: 9000 }, periodSeconds: 1 },
                  },
                ],
              },
            ),
          },
          task('unbound', 'exit 1', {
            when: [{ input: '$(workspaces.absent.bound)', operator: 'in', values: ['true'] }],
          }),
        ],
      },
      {
        workspaces: [
          {
            name: 'shared',
            volumeClaimTemplate: {
              spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
            },
          },
        ],
      },
    );
    assert.equal(status.conditions[0]?.reason, 'Completed', status.conditions[0]?.message);
    assert.match(await logs('workspaces', '--task', 'read'), /from the sidecar/);
  });

  test('what cannot run says why, with the reasons that Tekton gives', async () => {
    const reasons = await Promise.all([
      run('bad-cycle', {
        tasks: [task('a', 'true', { runAfter: ['b'] }), task('b', 'true', { runAfter: ['a'] })],
      }),
      run('bad-param', { params: [{ name: 'must' }], tasks: [task('a', 'true')] }),
      run('bad-workspace', { workspaces: [{ name: 'w' }], tasks: [task('a', 'true')] }),
      run('bad-result', {
        tasks: [
          task('a', 'true'),
          {
            name: 'b',
            params: [{ name: 'p', value: '$(tasks.a.results.none)' }],
            taskSpec: { params: [{ name: 'p' }], steps: [{ image: SHELL, script: 'true' }] },
          },
        ],
      }),
      run('bad-image', {
        tasks: [
          {
            name: 'a',
            taskSpec: {
              steps: [{ name: 's', image: 'registry.dispatch.local/no/such:image', script: 'true' }],
            },
          },
        ],
      }),
    ]);
    assert.deepEqual(
      reasons.map((status) => status.conditions[0]?.reason),
      [
        'PipelineValidationFailed',
        'ParameterMissing',
        'InvalidWorkspaceBindings',
        'InvalidTaskResultReference',
        'Failed',
      ],
    );
    assert.equal(
      await dispatch.ok('get', 'taskrun', 'bad-image-a', '-o', 'jsonpath={.status.conditions[0].reason}'),
      'TaskRunImagePullFailed',
    );
    await dispatch.apply(
      stringify({
        apiVersion: 'tekton.dev/v1',
        kind: 'PipelineRun',
        metadata: { name: 'bad-ref' },
        spec: { pipelineRef: { name: 'nope' } },
      }),
    );
    assert.equal((await ended('bad-ref')).conditions[0]?.reason, 'CouldntGetPipeline');
  });

  test('pipelines and tasks by name, columns of Tekton', async () => {
    await dispatch.apply(`
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: greet}
spec:
  params: [{name: who, default: world}]
  steps: [{name: say, image: ${SHELL}, script: 'echo hello $(params.who)'}]
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: greeting}
spec:
  params: [{name: who}]
  tasks: [{name: greet, taskRef: {name: greet}, params: [{name: who, value: $(params.who)}]}]
---
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: by-name}
spec: {pipelineRef: {name: greeting}, params: [{name: who, value: you}]}
`);
    await ended('by-name');
    assert.match(await logs('by-name'), /hello you/);
    assert.match(
      await dispatch.ok('get', 'pipelineruns', 'by-name'),
      /NAME\s+SUCCEEDED\s+REASON\s+STARTTIME\s+COMPLETIONTIME\nby-name\s+True\s+Succeeded/,
    );
  });

  test('no secret appears in a log, however it is printed', async () => {
    const secret = 'c0rrect-horse/battery+staple';
    await dispatch.ok('create', 'secret', 'generic', 'token', `--from-literal=value=${secret}`);
    await run('secrets', {
      tasks: [
        {
          name: 'leak',
          taskSpec: {
            steps: [
              {
                name: 's',
                image: 'dispatch.local/node',
                env: [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'token', key: 'value' } } }],
                command: [
                  'node',
                  '-e',
                  `
                  const t = process.env.TOKEN;
                  console.log('plain', t, encodeURIComponent(t), Buffer.from(t).toString('base64'), Buffer.from('user:' + t).toString('base64'), Buffer.from(t).toString('hex'));
                  process.stdout.write('split ' + t.slice(0, 9));
                  setTimeout(() => console.log(t.slice(9)), 300);`,
                ],
              },
            ],
          },
        },
      ],
    });
    const text = await logs('secrets');
    for (const form of [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('hex'),
      secret.slice(9),
    ])
      assert.ok(!text.includes(form), `${form} in ${text}`);
    const inside = Buffer.from(`user:${secret}`).toString('base64');
    assert.ok(!text.includes(inside.slice(8, 30)), text);
    assert.match(text, /plain \*\*\*[\s\S]*split \*\*\*/);
  });

  test('results of steps reach later steps and the task; a step that takes too long is ended', async () => {
    const [results, late] = await Promise.all([
      run('steps', {
        results: [{ name: 'last', value: '$(tasks.t.results.last)' }],
        tasks: [
          {
            name: 't',
            taskSpec: {
              results: [{ name: 'last', value: '$(steps.second.results.out)' }],
              steps: [
                {
                  name: 'first',
                  image: SHELL,
                  results: [{ name: 'out' }],
                  script: 'printf one > $(step.results.out.path)',
                },
                {
                  name: 'second',
                  image: SHELL,
                  results: [{ name: 'out' }],
                  env: [{ name: 'BEFORE', value: '$(steps.first.results.out)' }],
                  args: ['$(steps.first.results.out)'],
                  script: 'printf "$BEFORE-$1" > $(step.results.out.path)',
                },
              ],
            },
          },
        ],
      }),
      run('late-step', {
        tasks: [
          {
            name: 't',
            taskSpec: { steps: [{ name: 's', image: SHELL, script: 'sleep 60', timeout: '1s' }] },
          },
        ],
      }),
    ]);
    assert.deepEqual(results.results, [{ name: 'last', value: 'one-one' }], results.conditions[0]?.message);
    assert.equal(late.conditions[0]?.reason, 'Failed');
    assert.match(
      await dispatch.ok('get', 'taskrun', 'late-step-t', '-o', 'jsonpath={.status.conditions[0].message}'),
      /exceeded its timeout of 1s/,
    );
  });

  test('a failed step can be looked into: its volumes, and what it has written beside them', async () => {
    await run('look', {
      tasks: [task('bad', 'echo kept > /workspace/file; echo also > /root/beside; exit 1')],
    });
    const { stdout, stderr } = await dispatch.run(
      'ci',
      'debug',
      'look',
      '--task',
      'bad',
      '--step',
      'step',
      '--',
      'cat',
      '/workspace/file',
      '/root/beside',
    );
    assert.equal(stdout, 'kept\nalso\n', stderr);
    assert.doesNotMatch(await dispatch.ok('get', 'pods', '-o', 'name'), /debug-/);
    const other = await dispatch.run('ci', 'debug', 'look', '--task', 'bad', '--step', 'none');
    assert.equal(other.stderr, 'Error: Task bad has no step none: it has step.\n');
    // Files of another namespace are out of reach, whatever a pod says.
    await dispatch.ok('create', 'namespace', 'elsewhere');
    await dispatch.apply(
      stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: 'spy',
          namespace: 'elsewhere',
          annotations: { 'dispatch.dev/looks-at': 'look-bad-pod' },
        },
        spec: {
          restartPolicy: 'Never',
          volumes: [{ name: 'tekton-internal-workspace', emptyDir: {} }],
          containers: [
            {
              name: 'c',
              image: SHELL,
              command: ['true'],
              volumeMounts: [{ name: 'tekton-internal-workspace', mountPath: '/w' }],
            },
          ],
        },
      }),
    );
    await eventually(async () =>
      assert.match(
        await dispatch.ok('get', 'events', '-n', 'elsewhere'),
        /look-bad-pod has left nothing to look at/,
      ),
    );
  });

  test('files of a step that lead out of its volumes are not read', async () => {
    const status = await run('links', {
      results: [{ name: 'r', value: '$(tasks.a.results.r)' }],
      tasks: [
        {
          name: 'a',
          taskSpec: {
            results: [{ name: 'r' }],
            steps: [{ name: 's', image: SHELL, script: 'ln -s /etc/hostname $(results.r.path)' }],
          },
        },
      ],
    });
    assert.equal(status.results, undefined);
  });
});

test(
  'a run goes on where it was after every crash of the server, and nothing runs twice',
  { skip: SKIP_SANDBOX },
  async () => {
    await using dispatch = await Dispatch.make();
    await dispatch.up();
    const names = Array.from({ length: 10 }, (_, at) => `t${at}`);
    const count =
      'echo x >> $(workspaces.w.path)/$(context.task.name); sleep 0.2; test "$(context.task.name)" != t4 || test "$(context.task.retry-count)" = 1';
    await dispatch.apply(
      stringify({
        apiVersion: 'tekton.dev/v1',
        kind: 'PipelineRun',
        metadata: { name: 'crash' },
        spec: {
          workspaces: [
            {
              name: 'shared',
              volumeClaimTemplate: {
                spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
              },
            },
          ],
          pipelineSpec: {
            workspaces: [{ name: 'shared' }],
            tasks: names.map((name, at) => ({
              name,
              retries: 1,
              workspaces: [{ name: 'w', workspace: 'shared' }],
              ...(at > 1 && { runAfter: [names[at - 2]] }),
              taskSpec: { workspaces: [{ name: 'w' }], steps: [{ name: 's', image: SHELL, script: count }] },
            })),
            finally: [
              {
                name: 'tell',
                workspaces: [{ name: 'w', workspace: 'shared' }],
                taskSpec: {
                  workspaces: [{ name: 'w' }],
                  steps: [
                    {
                      name: 's',
                      image: SHELL,
                      script: 'cd $(workspaces.w.path); for f in t*; do echo "$f $(wc -l < $f)"; done',
                    },
                  ],
                },
              },
            ],
          },
        },
      }),
    );
    for (let kill = 0; kill < 4; kill += 1) {
      await eventually(async () =>
        assert.ok(
          (await dispatch.ok('get', 'taskruns', '-o', 'name')).split('\n').filter(Boolean).length > kill * 2,
        ),
      );
      await dispatch.kill('SIGKILL');
      await dispatch.up();
    }
    await eventually(
      async () =>
        assert.match(
          await dispatch.ok('get', 'pipelinerun', 'crash', '-o', 'jsonpath={.status.conditions[0].status}'),
          /True/,
        ),
      60_000,
    );
    const { stdout } = await dispatch.run(
      'ci',
      'logs',
      '--pipelinerun',
      'crash',
      '--task',
      'tell',
      '--follow',
    );
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.replace('[tell/s] ', '')),
      names.map((name) => `${name} ${name === 't4' ? 2 : 1}`),
    );
  },
);
