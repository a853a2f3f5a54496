import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { stringify } from 'yaml';
import { Dispatch } from './dispatch.ts';
import { ociLayout, packed } from './oci-layout.ts';
import { eventually, SKIP_SANDBOX } from './pods.ts';

const SHELL = 'dispatch.local/shell';
const SKIP_SKOPEO =
  process.env['CI'] === 'true' || spawnSync('skopeo', ['--version']).error === undefined
    ? false
    : 'skopeo is not installed (package skopeo)';

interface TaskRunStatus {
  conditions: { status: string; reason: string; message: string }[];
  steps?: { name: string; terminationReason?: string; terminated?: { exitCode: number; message?: string } }[];
  results?: { name: string; value: unknown }[];
  provenance?: { refSource?: { uri: string; digest: Record<string, string>; entryPoint: string } };
}

suite('what Tekton documents', { skip: SKIP_SANDBOX }, () => {
  let dispatch: Dispatch;
  before(async () => {
    dispatch = await Dispatch.make();
    await dispatch.up('--no-demo');
  });
  after(() => dispatch[Symbol.asyncDispose]());

  const ended = (kind: string, name: string): Promise<TaskRunStatus> =>
    eventually(async () => {
      const text = await dispatch.ok('get', kind, name, '-o', 'json');
      const { status } = JSON.parse(text) as { status?: TaskRunStatus };
      assert.notEqual(status?.conditions[0]?.status ?? 'Unknown', 'Unknown', text);
      return status!;
    });
  const taskRun = async (name: string, spec: object): Promise<TaskRunStatus> => {
    await dispatch.apply(
      stringify({ apiVersion: 'tekton.dev/v1', kind: 'TaskRun', metadata: { name }, spec }),
    );
    return ended('taskrun', name);
  };

  test('a step runs only where its conditions hold: parameters, results of steps before it, CEL', async () => {
    const say = (name: string, when: object[]): object => ({
      name,
      image: SHELL,
      script: `echo ${name}`,
      when,
    });
    const status = await taskRun('conditions', {
      params: [{ name: 'go', value: 'never' }],
      taskSpec: {
        params: [{ name: 'go' }],
        steps: [
          {
            name: 'decide',
            image: SHELL,
            results: [{ name: 'answer' }],
            script: 'printf right > $(step.results.answer.path)',
          },
          say('by-parameter', [{ input: '$(params.go)', operator: 'in', values: ['right'] }]),
          say('by-result', [{ input: '$(steps.decide.results.answer)', operator: 'in', values: ['right'] }]),
          say('not-in', [{ input: '$(steps.decide.results.answer)', operator: 'notin', values: ['right'] }]),
          say('by-cel', [{ cel: "'$(steps.decide.results.answer)' == 'right'" }]),
        ],
      },
    });
    assert.equal(status.conditions[0]?.status, 'True', JSON.stringify(status.conditions));
    assert.deepEqual(
      status.steps?.map(({ name, terminationReason }) => [name, terminationReason]),
      [
        ['decide', 'Completed'],
        ['by-parameter', 'Skipped'],
        ['by-result', 'Completed'],
        ['not-in', 'Skipped'],
        ['by-cel', 'Completed'],
      ],
    );
    const wrong = await dispatch.pipe(
      'apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: wrong}\nspec: {taskSpec: {steps: [{image: x, when: [{input: a, operator: in, values: [yes]}]}]}}',
      ...['kubectl', '--kubeconfig', join(dispatch.dataDir, 'kubeconfig'), 'apply', '-f', '-'],
    );
    assert.match(wrong.stderr, /spec\.taskSpec\.steps\[0\]\.when\[0\]\.values\[0\]/);
    const broken = await taskRun('broken-condition', {
      taskSpec: { steps: [say('first', [{ cel: '1 +' }])] },
    });
    assert.equal(broken.conditions[0]?.status, 'False');
    assert.match(
      broken.steps?.[0]?.terminated?.message ?? '',
      /the CEL expression "1 \+" cannot be evaluated/,
    );
  });

  test('objects of v1beta1 are those of v1, and their older fields mean what they meant', async () => {
    await dispatch.ok('create', 'serviceaccount', 'builder');
    await dispatch.apply(`
apiVersion: tekton.dev/v1beta1
kind: Task
metadata: {name: who}
spec:
  results: [{name: account}]
  steps:
  - {name: say, image: ${SHELL}, script: 'sleep 0.1; printf done > $(results.account.path)', resources: {requests: {cpu: 10m}}}
---
apiVersion: tekton.dev/v1beta1
kind: PipelineRun
metadata: {name: older}
spec:
  serviceAccountName: builder
  timeout: 1m30s
  podTemplate: {env: [{name: GREETING, value: moin}]}
  taskRunSpecs: [{pipelineTaskName: second, taskServiceAccountName: default}]
  pipelineSpec:
    tasks:
    - {name: first, taskRef: {name: who}}
    - {name: second, taskRef: {name: who}}
`);
    assert.equal((await ended('pipelinerun', 'older')).conditions[0]?.status, 'True');
    const accounts = await dispatch.ok(
      ...['get', 'taskruns.v1.tekton.dev', '-l', 'tekton.dev/pipelineRun=older'],
      ...['-o', 'jsonpath={range .items[*]}{.metadata.name}={.spec.serviceAccountName} {end}'],
    );
    assert.match(accounts, /older-first=builder/);
    assert.match(accounts, /older-second=default/);
    const pod = await dispatch.ok('get', 'pod', 'older-first-pod', '-o', 'json');
    assert.match(pod, /"value": "moin"/);
    assert.match(pod, /"cpu": "10m"/);
    assert.match(
      await dispatch.ok('get', 'tasks.v1beta1.tekton.dev', 'who', '-o', 'yaml'),
      /apiVersion: tekton.dev\/v1beta1/,
    );
  });

  test('what is written in one of several ways, or left out, is what Tekton takes it for', async () => {
    const script = (text: string): object[] => [{ script: text }];
    const stepTemplate = { image: '$(params.image)' };
    const loose = await taskRun('loose', {
      params: [
        { name: 'image', value: SHELL },
        { name: 'count', value: '$(context.task.retry-count)' },
        { name: 'list', value: ['a', 'b'] },
      ],
      workspaces: [
        { name: 'given', emptyDir: {} },
        {
          name: 'claimed',
          volumeClaimTemplate: {
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
          },
        },
      ],
      TaskSpec: {
        params: [{ name: 'image' }, { name: 'count' }, { name: 'list', type: 'array' }],
        stepTemplate,
        sidecars: [{ image: SHELL, script: 'sleep 60' }],
        results: [{ name: 'said' }],
        steps: [
          ...script(
            'echo $(inputs.params.count) > $(workspaces.given.path)/a; cp $(workspaces.given.path)/a $(workspaces.claimed.path)/',
          ),
          {
            script: 'printf "%s " $(cat $(workspaces.claimed.path)/a) "$@" > $(results.said.path)',
            args: ['$(params.list)'],
          },
        ],
      },
    });
    assert.deepEqual(loose.results?.[0]?.value, '0 a b ', JSON.stringify(loose));
    const action = (version: string, name: string): string =>
      stringify({
        apiVersion: `tekton.dev/${version}`,
        kind: 'StepAction',
        metadata: { name },
        spec: { image: SHELL, script: `echo ${name}` },
      });
    await dispatch.apply(`${action('v1alpha1', 'old')}---\n${action('v1beta1', 'new')}`);
    const listing = {
      params: [{ name: 'words', type: 'array' }],
      results: [{ name: 'said' }],
      image: SHELL,
      command: ['sh', '-c', 'printf "%s," "$@" > $(step.results.said.path)', 'sh'],
      args: ['$(params.words[*])'],
    };
    await dispatch.apply(
      stringify({
        apiVersion: 'tekton.dev/v1beta1',
        kind: 'StepAction',
        metadata: { name: 'list' },
        spec: listing,
      }),
    );
    const actions = await taskRun('actions', {
      params: [{ name: 'all', value: ['p', 'q'] }],
      taskSpec: {
        params: [{ name: 'all', type: 'array' }],
        results: [{ name: 'said', value: '$(steps.listing.results.said)' }],
        steps: [
          ...['old', 'new'].map((name) => ({ ref: { name } })),
          { name: 'listing', ref: { name: 'list' }, params: [{ name: 'words', value: '$(params.all[*])' }] },
        ],
      },
    });
    assert.deepEqual(actions.results?.[0]?.value, 'p,q,', JSON.stringify(actions));
    const outside = '/workspace/outside';
    const codes = await taskRun('exit-codes', {
      taskSpec: {
        results: [{ name: 'codes' }],
        steps: [
          { name: 'bad', image: SHELL, onError: 'continue', script: 'exit 7' },
          {
            name: 'good',
            image: SHELL,
            // Links in the way of what comes next lead nowhere.
            script: `touch ${outside}; rm -rf /tekton/steps/step-good; ln -s / /tekton/steps/step-good; mkdir -p /tekton/steps/step-look && ln -s ${outside} /tekton/steps/step-look/exitCode`,
          },
          { name: 'look', image: SHELL, script: 'echo looked' },
          {
            image: SHELL,
            script: `cat $(steps.step-bad.exitCode.path) ${outside} > $(results.codes.path); ls / | grep -c exitCode >> $(results.codes.path) || true`,
          },
        ],
      },
    });
    assert.equal(codes.results?.[0]?.value, '70\n', JSON.stringify(codes));
    // A list that is empty makes no run: the task is skipped, and the pipeline comes to its end.
    const fanned = (name: string): object => ({
      name,
      matrix: { params: [{ name: 'x', value: [] }] },
      taskSpec: { params: [{ name: 'x' }], steps: [{ image: SHELL, script: 'exit 1' }] },
    });
    const used = {
      name: 'used',
      taskSpec: { steps: [{ image: SHELL, script: 'echo 1 > $(workspaces.shared.path)/$(params.file)' }] },
    };
    await dispatch.apply(
      stringify({
        apiVersion: 'tekton.dev/v1',
        kind: 'PipelineRun',
        metadata: { name: 'fanned' },
        spec: {
          workspaces: [{ name: 'shared', emptyDir: {} }],
          params: [{ name: 'file', value: 'x' }],
          pipelineSpec: {
            workspaces: [{ name: 'shared' }],
            tasks: [fanned('none'), used],
            finally: [fanned('none-at-the-end')],
          },
        },
      }),
    );
    const { conditions } = await ended('pipelinerun', 'fanned');
    assert.equal(conditions[0]?.message, 'Tasks Completed: 1 (Failed: 0, Cancelled 0), Skipped: 2');
    const reasons = await dispatch.ok(
      ...['get', 'pipelinerun', 'fanned', '-o', 'jsonpath={.status.skippedTasks[*].reason}'],
    );
    assert.match(reasons, /^(?:Matrix Parameters have an empty array ?){2}$/);
  });

  test("buildkit's client builds and pushes with no daemon", async () => {
    const { registry = '' } = await dispatch.file();
    const status = await taskRun('buildctl', {
      taskSpec: {
        steps: [
          {
            name: 'write',
            image: SHELL,
            script: `mkdir -p /workspace/src/docker
echo hello > /workspace/src/greeting
cat > /workspace/src/docker/Dockerfile.app <<'END'
FROM ${SHELL} AS base
ARG WHO
COPY greeting /copied
RUN --mount=type=secret,id=word cat /copied /run/secrets/word > /said && echo $WHO >> /said
FROM base AS rest
RUN exit 1
END
`,
          },
          {
            name: 'build',
            image: 'moby/buildkit:v0.6.2',
            env: [{ name: 'WORD', value: 'magic' }],
            command: ['buildctl-daemonless.sh'],
            args: [
              ...['build', '--progress=plain', '--frontend', 'dockerfile.v0'],
              ...['--local', 'context=src', '--local', 'dockerfile=/workspace/src/docker'],
              ...['--opt', 'filename=Dockerfile.app', '--opt', 'target=base', '--opt', 'build-arg:WHO=world'],
              ...['--secret', 'id=word,env=WORD', '--metadata-file', '/workspace/metadata.json'],
              ...['--output', `type=image,name=${registry}/default/built:v1,push=true`],
            ],
          },
          { name: 'look', image: SHELL, script: 'cat /workspace/metadata.json' },
        ],
      },
    });
    assert.equal(status.conditions[0]?.status, 'True', JSON.stringify(status));
    assert.match(
      await dispatch.ok('logs', 'buildctl-pod', '-c', 'step-look'),
      /"containerimage.digest":"sha256:[0-9a-f]{64}"/,
    );
    await dispatch.ok(
      ...[
        'run',
        'built',
        `--image=${registry}/default/built:v1`,
        '--restart=Never',
        '--',
        'cat',
        '/said',
        '/copied',
      ],
    );
    await eventually(async () =>
      assert.equal(await dispatch.ok('logs', 'built'), 'hello\nmagicworld\nhello\n'),
    );
    const refused = await taskRun('no-build', {
      taskSpec: {
        steps: [{ name: 's', image: 'moby/buildkit:v0.6.2', command: ['buildctl'], args: ['du'] }],
      },
    });
    assert.equal(refused.conditions[0]?.status, 'False');
    assert.match(
      await dispatch.ok('logs', 'no-build-pod', '-c', 'step-s'),
      /"du" is not done here: only build is/,
    );
  });

  test('tasks and pipelines come out of a bundle in a registry', { skip: SKIP_SKOPEO }, async () => {
    const { registry = '' } = await dispatch.file();
    const layout = await bundle(join(dispatch.home, 'bundle'), [
      [
        'task',
        'hello',
        `apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: hello}\nspec: {steps: [{name: s, image: ${SHELL}, script: echo hello from a bundle}]}\n`,
      ],
      [
        'pipeline',
        'both',
        `apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: both}\nspec: {tasks: [{name: t, taskSpec: {steps: [{name: s, image: ${SHELL}, script: echo x}]}}]}\n`,
      ],
    ]);
    // Who pushes has to have the rights of the API.
    await dispatch.ok(
      'create',
      'rolebinding',
      'push',
      '--clusterrole=edit',
      '--serviceaccount=default:default',
    );
    const token = await dispatch.ok('create', 'token', 'default');
    const name = `${registry}/default/tasks:v1`;
    execFileSync('skopeo', [
      ...['copy', '--dest-tls-verify=false', '--dest-creds', `any:${token.trim()}`],
      ...[`oci:${layout}:v1`, `docker://${name}`],
    ]);
    const resolver = (kind: string, object: string): object => ({
      resolver: 'bundles',
      params: Object.entries({ bundle: name, name: object, kind }).map(([key, value]) => ({
        name: key,
        value,
      })),
    });
    const status = await taskRun('bundled', { taskRef: resolver('task', 'hello') });
    assert.equal(status.conditions[0]?.status, 'True', JSON.stringify(status.conditions));
    assert.match(await dispatch.ok('logs', 'bundled-pod', '-c', 'step-s'), /hello from a bundle/);
    assert.equal(status.provenance?.refSource?.entryPoint, 'hello');
    assert.match(status.provenance?.refSource?.digest['sha256'] ?? '', /^[0-9a-f]{64}$/);
    const older = await taskRun('bundled-older', { taskRef: { name: 'hello', bundle: name } });
    assert.equal(older.conditions[0]?.status, 'True', JSON.stringify(older.conditions));
    const missing = await taskRun('not-bundled', { taskRef: resolver('task', 'goodbye') });
    assert.match(
      missing.conditions[0]?.message ?? '',
      /the bundle has no task goodbye: it has task hello, pipeline both/,
    );
    await dispatch.apply(
      stringify({
        apiVersion: 'tekton.dev/v1',
        kind: 'PipelineRun',
        metadata: { name: 'from-bundle' },
        spec: { pipelineRef: resolver('pipeline', 'both') },
      }),
    );
    assert.equal((await ended('pipelinerun', 'from-bundle')).conditions[0]?.status, 'True');
  });
});

/** As `tkn bundle push` makes one: a layer for each object, named by annotations. */
async function bundle(dir: string, objects: [kind: string, name: string, text: string][]): Promise<string> {
  const layers = objects.map(async ([kind, name, text]) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    bytes: await packed({ [name]: text }),
    annotations: {
      'dev.tekton.image.apiVersion': 'v1',
      'dev.tekton.image.kind': kind,
      'dev.tekton.image.name': name,
    },
  }));
  return ociLayout(dir, await Promise.all(layers));
}
