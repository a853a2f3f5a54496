import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { readFileSync } from 'node:fs';
import {
  DispatchfileError,
  DispatchfileRenderer,
  formatProblem,
  generateDocument,
  globMatches,
  lint,
  matchesGlobs,
  type ModuleSource,
  NO_MODULES,
  parseChatop,
  type Pipeline,
  selectActions,
  tasksOf,
} from './index.ts';

const example = (name: string): string =>
  readFileSync(new URL(`../../examples/pipeline/${name}`, import.meta.url), 'utf8');

suite('Dispatchfiles', () => {
  const renderer = new DispatchfileRenderer();
  after(() => renderer[Symbol.asyncDispose]());
  const render = (text: string, modules: ModuleSource = NO_MODULES): Promise<Pipeline> =>
    renderer.render(text, { file: 'Dispatchfile', modules }).then(({ pipeline }) => pipeline);
  const problems = async (text: string): Promise<string[]> => {
    try {
      await render(text);
    } catch (error) {
      assert.ok(error instanceof DispatchfileError, String(error));
      return error.problems.map(formatProblem);
    }
    return assert.fail('it renders');
  };

  test('the same pipeline in every language renders to the same', async () => {
    const wanted = await render(example('Dispatchfile.yaml'));
    assert.deepEqual(Object.keys(wanted.task), ['test', 'build', 'deploy']);
    for (const name of ['Dispatchfile', 'Dispatchfile.star', 'Dispatchfile.json'])
      assert.deepEqual(await render(example(name)), wanted, name);
  });

  test('older spellings of CUE, with the places of the user', async () => {
    const pipeline = await render(`#!mesosphere/dispatch-cue:v0.2
resource "gitops-git": {
  type: "git"
  param url: "https://github.com/your-github-user/cicd-hello-world-gitops"
}
resource "docker-image": {
  type: "image"
  param url: "your-dockerhub-user/hello-world"
}
task "build": {
  outputs: ["docker-image"]
  steps: [{name: "build", image: "x", command: ["true"]}]
}
task "deploy": {
  inputs: ["docker-image", "gitops-git"]
  steps: [
    {
      name: "update-gitops-repo"
      image: "mesosphere/update-gitops-repo:1.2.0"
      workingDir: "/workspace/gitops-git"
      args: [
        "-git-revision=$(context.git.commit)",
        "-substitute=imageName=your-dockerhub-user/hello-world@$(inputs.resources.docker-image.digest)",
        "-scm-provider=github"
      ]
    }
  ]
}
actions: [
  {
    tasks: ["build", "deploy"]
    on push branches: ["master"]
  },
  { tasks: ["build"], on: pull_request() },
]
`);
    assert.deepEqual(pipeline.actions, [
      { tasks: ['build', 'deploy'], on: { git: { push: { branches: ['master'] } } } },
      { tasks: ['build'], on: { git: { pull_request: {} } } },
    ]);
    assert.equal(
      pipeline.resource['gitops-git']?.params['url'],
      'https://github.com/your-github-user/cicd-hello-world-gitops',
    );
    assert.deepEqual(await problems('#!cue\nresource "a": {\n  type: "git"\n  param url: 1 & 2\n}\n'), [
      'Dispatchfile:4:14: resource.a.param.url: conflicting values 2 and 1',
    ]);
  });

  test('CUE sees no files and no network, and is ended when it takes too long', async () => {
    const [problem] = await problems('#!cue\nimport "example.com/other"\nx: other.y\n');
    assert.match(problem ?? '', /example\.com\/other/);
  });

  test('errors of every language name the place', async () => {
    assert.deepEqual(await problems('#!yaml\ntask:\n  build:\n    steps: nothing\n'), [
      'Dispatchfile:4:5: task.build.steps must be a list, not "nothing"',
    ]);
    assert.match((await problems('#!yaml\ntask: {a: [}\n'))[0] ?? '', /^Dispatchfile:2:\d+: /);
    assert.match(
      (await problems('#!json\n{"task": {"a": }}\n'))[0] ?? '',
      /^Dispatchfile:2:16: it is no JSON: "\}" is not expected here/,
    );
    assert.match(
      (await problems('#!starlark\ntask("a", steps = 1)\n'))[0] ?? '',
      /^Dispatchfile:2:5: Task\.steps: got int, want list/,
    );
    assert.deepEqual(
      await problems(
        '#!yaml\ntask: {a: {inputs: [b]}, c: {inputs: [a, sorce]}}\nresource: {source: {type: gti}}\n',
      ),
      [
        'Dispatchfile:3:21: resource.source.type must be one of git, image, storage, pullRequest, cluster',
        'Dispatchfile:2:21: task.a.inputs[0] names b, but there is no resource or task of that name: did you mean a?',
        'Dispatchfile:2:42: task.c.inputs[1] names sorce, but there is no resource or task of that name: did you mean source?',
      ],
    );
    assert.match(
      (await problems('#!yaml\ntask: {a: {inputs: [b]}, b: {inputs: [a]}}\n'))[0] ?? '',
      /depends on itself: a → b → a/,
    );
    assert.match(
      (
        await problems('#!yaml\ntask: {a: {}}\nactions: [{tasks: [a], on: {cron: {schedule: "nope"}}}]\n')
      ).join('\n'),
      /needs a name[\s\S]*is no schedule/,
    );
    // A limit that is not understood would be none.
    assert.deepEqual(
      await problems(
        "#!yaml\ntask: {a: {}}\nactions:\n- {tasks: [a], on: {tag: {tags: ['v*']}}}\n- {tasks: [a], on: {git: {push: {branch: [main]}}}}\n",
      ),
      [
        'Dispatchfile:4:27: actions[0].on.tag.tags is not known: a condition has names',
        'Dispatchfile:5:34: actions[1].on.git.push.branch is not known: a condition has branches, paths',
      ],
    );
    assert.match((await problems('#!cobol\n'))[0] ?? '', /names no language/);
    assert.match(
      (await problems(`#!yaml\na: &a [x]\nb: &b [${'*a,'.repeat(50)}]\nc: [${'*b,'.repeat(50)}]\n`))[0] ?? '',
      /alias/i,
    );
  });

  test('a library is loaded by tag, by its own root, and run once', async () => {
    const files: Record<string, string> = {
      'github.com/acme/catalog/starlark/stable/pipeline@0.0.7': `
__doc__ = "Helpers for pipelines."
def image_resource(name, url, digest = "", pipeline = None):
    """Adds an image."""
    return resource(name, type = "image", params = {"url": url, "digest": digest}, pipeline = pipeline)
def push(**kwargs):
    return p.Condition(git = p.GitCondition(push = p.GitPushCondition(**kwargs)))
`,
      'github.com/acme/catalog/starlark/stable/kaniko@0.0.7': `
load("/starlark/stable/pipeline", "image_resource")
def kaniko(task_name, git_name, image_repo, tag = "$(context.build.name)", inputs = [], outputs = [], steps = [], **kwargs):
    name = image_resource("image-" + task_name, url = image_repo)
    step = k8s.corev1.Container(name = "build", image = "gcr.io/kaniko-project/executor:latest")
    step.command = ["/kaniko/executor"]
    step.args.append("--destination=$(resources.outputs.{}.url):{}".format(name, tag))
    step.securityContext.privileged = False
    task(task_name, inputs = inputs + [git_name], outputs = outputs + [name], steps = steps + [step], **kwargs)
    return name
`,
    };
    const loaded: string[] = [];
    const modules: ModuleSource = {
      fetch: (name, from) => {
        const id = name.startsWith('/') ? `github.com/acme/catalog${name}@0.0.7` : name;
        loaded.push(`${from.file} -> ${name}`);
        return Promise.resolve({ id, file: id, text: files[id]! });
      },
    };
    const pipeline = await render(
      `#!mesosphere/dispatch-starlark:v0.2-test.2
load("github.com/acme/catalog/starlark/stable/pipeline@0.0.7", "push")
load("github.com/acme/catalog/starlark/stable/kaniko@0.0.7", "kaniko")
git = resource("src", type = "git", params = {"url": "$(context.git.url)"})
image = kaniko("build", git, "registry/app", volumes = [k8s.corev1.Volume(name = "v", volumeSource = k8s.corev1.VolumeSource(secret = k8s.corev1.SecretVolumeSource(secretName = "s", defaultMode = 0o600)))])
action(tasks = ["build"], on = push(branches = ["main"]))
def test_image():
    if image != "image-build":
        fail("wrong name")
`,
      modules,
    );
    assert.equal(loaded.length, 3);
    assert.deepEqual(pipeline.task['build']?.steps, [
      {
        name: 'build',
        image: 'gcr.io/kaniko-project/executor:latest',
        command: ['/kaniko/executor'],
        args: ['--destination=$(resources.outputs.image-build.url):$(context.build.name)'],
        securityContext: { privileged: false },
      },
    ]);
    assert.deepEqual(pipeline.task['build']?.volumes, [
      { name: 'v', secret: { secretName: 's', defaultMode: 384 } },
    ]);
    assert.match((await problems('#!starlark\ndef test_it():\n    fail("no")\n'))[0] ?? '', /fail: no/);
    const document = await generateDocument(
      files['github.com/acme/catalog/starlark/stable/pipeline@0.0.7']!,
      { file: 'p.star', modules, print: () => {} },
    );
    assert.equal(
      document,
      'Helpers for pipelines.\n\n### image_resource(name, url, digest, pipeline)\n\nAdds an image.\n\n### push(**kwargs)\n',
    );
  });

  test('lint tells what is most likely not meant', async () => {
    const found = lint(
      await renderer.render(
        '#!yaml\nresource: {unused: {type: git, params: {url: x}}}\ntask:\n  a:\n    steps: [{name: s, imge: x, args: [y]}]\n',
        { file: 'Dispatchfile' },
      ),
    ).map(formatProblem);
    assert.deepEqual(found, [
      'Dispatchfile:5:23: task.a.steps[0].imge is not known: did you mean image?',
      'Dispatchfile:2:12: resource.unused is used by no task',
      'Dispatchfile:5:13: task.a.steps[0] has no image',
      'Dispatchfile:5:13: task.a.steps[0] has args without a command: they are given to the entry point of the image',
    ]);
  });

  test('an event starts the actions that are for it, with all that their tasks need', async () => {
    const pipeline = await render(`#!yaml
resource: {src: {type: git, params: {url: x}}, img: {type: image, params: {url: y}}}
task:
  test: {inputs: [src]}
  build: {inputs: [src, test], outputs: [img]}
  deploy: {inputs: [img]}
  docs: {}
actions:
- {tasks: [deploy], on: {push: {branches: [main, 'release/**', '!release/old']}}}
- {tasks: [docs], on: {git: {push: {paths: ['docs/**']}}}}
- {tasks: [test], on: {git: {pull_request: {targets: [main], labels: ['!wip']}}}}
- {tasks: [build], on: {git: {pull_request: {chatops: [build]}}}}
- {tasks: [build], on: {git: {tag: {names: ['v*']}}}}
- {name: nightly, tasks: [test], on: {cron: {schedule: '0 4 * * *'}}}
`);
    const started = (event: Parameters<typeof selectActions>[1]): string[] =>
      tasksOf(pipeline, selectActions(pipeline, event));
    assert.deepEqual(started({ type: 'push', branch: 'main', paths: ['a.ts'] }), ['test', 'build', 'deploy']);
    assert.deepEqual(started({ type: 'push', branch: 'x', paths: ['docs/a/b.md'] }), ['docs']);
    assert.deepEqual(started({ type: 'push', branch: 'release/old', paths: [] }), []);
    const request = { source: 'feature', target: 'main', labels: [] };
    assert.deepEqual(started({ type: 'pull_request', ...request }), ['test']);
    assert.deepEqual(started({ type: 'pull_request', ...request, labels: ['wip'] }), []);
    assert.deepEqual(started({ type: 'comment', command: 'build', ...request }), ['test', 'build']);
    assert.deepEqual(started({ type: 'tag', name: 'v1' }), ['test', 'build']);
    assert.deepEqual(started({ type: 'cron', name: 'nightly' }), ['test']);
    assert.deepEqual(parseChatop('/build now please\nmore'), { command: 'build', args: 'now please' });
    assert.equal(parseChatop('please /build'), undefined);
  });

  test('globs', () => {
    for (const [pattern, value, expected] of [
      ['*', 'a', true],
      ['*', 'a/b', false],
      ['**', 'a/b', true],
      ['**/x', 'x', true],
      ['**/x', 'a/b/x', true],
      ['a?c', 'abc', true],
      ['[a-c]x', 'bx', true],
      ['[!a-c]x', 'bx', false],
      ['a*', 'abc', true],
      ['a/**', 'a/b/c', true],
      ['v1.*', 'v1x', false],
      ['a\\*', 'a*', true],
    ] as const)
      assert.equal(globMatches(pattern, value), expected, `${pattern} ${value}`);
    assert.equal(matchesGlobs(['!x'], 'y'), true);
    assert.equal(globMatches(`${'*'.repeat(5000)}b`, 'a'.repeat(5000)), false);
  });
});
