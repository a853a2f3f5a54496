import { createHash } from 'node:crypto';
import type { Pipeline, Resource, Step as SourceStep, Task } from '../../dispatchfile/index.ts';
import { needsOf } from '../../dispatchfile/index.ts';
import { type BuildContext, contextVariables, replaceVariables, variablesIn } from './variables.ts';

export const WORKSPACE = '/workspace';
export const OUTPUT = '/workspace/output';

/** Images of the steps that the platform adds to those of the user. */
export interface StepImages {
  git: string;
  shell: string;
  artifacts: string;
}

export interface CompileOptions {
  pipeline: Pipeline;
  context: BuildContext;
  images: StepImages;
  /** What stands for the content of the inputs of a task whose outcome may be taken from an earlier run. */
  contents?: ReadonlyMap<string, string>;
  /** How steps reach the repository at a URL, where that is another way than the URL says. */
  cloneUrl: (url: string) => { url: string; token: boolean };
}

type Json = Record<string, unknown>;

/** One task of a Dispatchfile as a task of a Tekton pipeline. Checkouts, uploads and digests are steps like others. */
export function compileTask(name: string, options: CompileOptions): Json {
  return new TaskCompiler(name, options).compile();
}

class TaskCompiler {
  readonly #name: string;
  readonly #task: Task;
  readonly #options: CompileOptions;
  readonly #context: Map<string, string>;
  /** Values of other tasks that this one takes, by the name of the parameter. */
  readonly #params = new Map<string, string>();

  constructor(name: string, options: CompileOptions) {
    this.#name = name;
    this.#task = options.pipeline.task[name]!;
    this.#options = options;
    this.#context = contextVariables(options.context);
  }

  compile(): Json {
    const task = this.#task;
    const steps = replaceVariables(task.steps, this.#valueOf).map((step) => this.#step(step));
    const sidecars = replaceVariables(task.sidecars ?? [], this.#valueOf).map((step) => this.#step(step));
    const volumes = replaceVariables(task.volumes ?? [], this.#valueOf);
    const when = replaceVariables(task.when ?? [], this.#valueOf);
    const all = [...this.#before(), ...steps, ...this.#after()];
    const results = [
      ...this.#imageOutputs().map(([name]) => ({ name: `${name}-digest` })),
      ...this.#printedSteps().map((step) => ({ name: `stdout-${step}` })),
    ];
    const params = [...this.#params];
    const matrix = Object.entries(task.matrix ?? {});
    const metadata = this.#metadata(steps, sidecars);
    const needs = needsOf(this.#options.pipeline, this.#name);
    return {
      name: this.#name,
      ...(needs.length > 0 && { runAfter: needs }),
      ...(params.length > 0 && { params: params.map(([name, value]) => ({ name, value })) }),
      ...(matrix.length > 0 && {
        matrix: {
          params: matrix.map(([name, value]) => ({ name, value: replaceVariables(value, this.#valueOf) })),
        },
      }),
      ...(when.length > 0 && { when }),
      ...(task.retries && { retries: task.retries }),
      ...(task.timeout && { timeout: task.timeout }),
      taskSpec: {
        ...(Object.keys(metadata).length > 0 && { metadata }),
        ...(params.length + matrix.length > 0 && {
          params: [...params, ...matrix].map(([name]) => ({ name })),
        }),
        ...(results.length > 0 && { results }),
        stepTemplate: { workingDir: WORKSPACE },
        steps: all,
        ...(sidecars.length > 0 && { sidecars }),
        ...(volumes.length > 0 && { volumes }),
      },
    };
  }

  /** A task that may be taken from an earlier run says what would have to be the same. */
  #metadata(steps: readonly Json[], sidecars: readonly Json[]): Json {
    const { metadata, cache } = this.#task;
    const content = this.#options.contents?.get(this.#name);
    if (content === undefined) return { ...metadata };
    const resources = [...this.#task.inputs, ...this.#task.outputs].map((name) => {
      const resource = this.#resource(name);
      // What a git resource holds is in the content, wherever it was fetched from.
      return resource?.type === 'git' ? name : { name, resource };
    });
    const key = (cache?.key ?? []).map((text) => replaceVariables(text, this.#valueOf));
    const parts = JSON.stringify([content, key, steps, sidecars, resources, this.#task.volumes ?? []]);
    const hash = createHash('sha256').update(parts).digest('hex');
    return { ...metadata, annotations: { ...metadata?.annotations, 'dispatch.dev/reuse': hash } };
  }

  #resource(name: string): Resource | undefined {
    const { resource } = this.#options.pipeline;
    return Object.hasOwn(resource, name) ? resource[name] : undefined;
  }

  #named(names: readonly string[], type: Resource['type']): [string, Resource][] {
    return names.flatMap((name): [string, Resource][] => {
      const resource = this.#resource(name);
      return resource?.type === type ? [[name, resource]] : [];
    });
  }

  #imageOutputs(): [string, Resource][] {
    return this.#named(this.#task.outputs, 'image');
  }

  /** Steps whose output other tasks use. */
  #printedSteps(): string[] {
    const { task } = this.#options.pipeline;
    const wanted = new Set(
      Object.values(task).flatMap((other) => [...variablesIn([other.steps, other.sidecars, other.when])]),
    );
    return this.#task.steps
      .map((step) => step.name)
      .filter((step) => wanted.has(`inputs.tasks.${this.#name}.${step}`));
  }

  #param(name: string, value: string): string {
    const safe = name.replaceAll(/[^\w-]/g, '-');
    this.#params.set(safe, value);
    return `$(params.${safe})`;
  }

  readonly #valueOf = (name: string): string | undefined => {
    const known = this.#context.get(name);
    if (known !== undefined) return known;
    const task = /^inputs\.tasks\.([^.]+)\.([^.]+)$/.exec(name);
    if (task !== null)
      return this.#param(`stdout-${task[1]}-${task[2]}`, `$(tasks.${task[1]}.results.stdout-${task[2]})`);
    const matrix = /^matrix\.([\w-]+)$/.exec(name);
    if (matrix !== null) return `$(params.${matrix[1]})`;
    const resource = /^(?:resources\.(inputs|outputs)|(inputs|outputs)\.resources)\.(.+)\.(\w+)$/.exec(name);
    if (resource === null) return undefined;
    return this.#resourceValue(
      (resource[1] ?? resource[2]) as 'inputs' | 'outputs',
      resource[3]!,
      resource[4]!,
    );
  };

  #resourceValue(side: 'inputs' | 'outputs', name: string, key: string): string | undefined {
    const resource = this.#resource(name);
    if (resource === undefined) return undefined;
    if (key === 'path') return side === 'inputs' ? `${WORKSPACE}/${name}` : `${OUTPUT}/${name}`;
    if (key === 'digest' && resource.type === 'image') {
      const writer = Object.entries(this.#options.pipeline.task).find(([, task]) =>
        task.outputs.includes(name),
      )?.[0];
      if (writer !== undefined && side === 'inputs' && writer !== this.#name)
        return this.#param(`digest-${name}`, `$(tasks.${writer}.results.${name}-digest)`);
    }
    const value = resource.params[key];
    return value === undefined ? undefined : replaceVariables(value, (inner) => this.#context.get(inner));
  }

  /** What lays the inputs out before the user's steps run. */
  #before(): Json[] {
    const { images } = this.#options;
    const outputs = this.#task.outputs.filter((name) => this.#resource(name)?.type !== 'git');
    const prepare =
      outputs.length === 0
        ? []
        : [
            {
              name: 'prepare-outputs',
              image: images.shell,
              command: ['mkdir', '-p', ...outputs.map((name) => `${OUTPUT}/${name}`)],
            },
          ];
    const storage = this.#named(this.#task.inputs, 'storage').map(([name, resource]) =>
      this.#artifacts('fetch', name, resource),
    );
    return [
      ...this.#named(this.#task.inputs, 'git').map(([name, resource]) => this.#checkout(name, resource)),
      ...prepare,
      ...storage,
    ];
  }

  /** What takes the outputs up when the user's steps have gone well. */
  #after(): Json[] {
    const { images } = this.#options;
    const digests = this.#imageOutputs().map(([name]) => ({
      name: `digest-${name}`,
      image: images.artifacts,
      args: ['image-digest', '--layout', `${OUTPUT}/${name}`, '--result', `$(results.${name}-digest.path)`],
    }));
    const storage = this.#named(this.#task.outputs, 'storage').map(([name, resource]) =>
      this.#artifacts('store', name, resource),
    );
    return [...digests, ...storage];
  }

  #checkout(name: string, { params }: Resource): Json {
    const known = (text: string | undefined): string =>
      replaceVariables(text ?? '', (variable) => this.#context.get(variable));
    const { url, token } = this.#options.cloneUrl(known(params['url']));
    const revision = known(params['revision']);
    return {
      name: `checkout-${name}`,
      image: this.#options.images.git,
      env: [
        { name: 'GIT_URL', value: url },
        { name: 'GIT_REVISION', value: revision },
        { name: 'GIT_DIRECTORY', value: `${WORKSPACE}/${name}` },
        { name: 'GIT_DEPTH', value: params['depth'] ?? '1' },
        ...(token
          ? [{ name: 'GIT_TOKEN_FILE', value: '/var/run/secrets/kubernetes.io/serviceaccount/token' }]
          : []),
      ],
      script: CHECKOUT,
    };
  }

  #artifacts(verb: 'store' | 'fetch', name: string, resource: Resource): Json {
    const { params, secrets = {} } = resource;
    const location = replaceVariables(params['location'] ?? '', (variable) => this.#context.get(variable));
    return {
      name: `${verb}-${name}`,
      image: this.#options.images.artifacts,
      args: [
        verb,
        '--name',
        name,
        '--directory',
        verb === 'store' ? `${OUTPUT}/${name}` : `${WORKSPACE}/${name}`,
        ...(location === '' ? [] : ['--location', location]),
      ],
      ...(Object.keys(secrets).length > 0 && {
        env: Object.entries(secrets).map(([env, secretKeyRef]) => ({
          name: env,
          valueFrom: { secretKeyRef },
        })),
      }),
    };
  }

  #step(step: SourceStep): Json {
    const printed = this.#printedSteps().includes(step.name);
    const { resources, ...rest } = step;
    return {
      ...rest,
      ...(resources !== undefined && { computeResources: resources }),
      ...(printed && { stdoutConfig: { path: `$(results.stdout-${step.name}.path)` } }),
    };
  }
}

/** Fetches one commit where the server allows it, and everything where it does not. */
const CHECKOUT = `#!/bin/sh
set -e
case "$GIT_REVISION" in -*) echo "The revision $GIT_REVISION is no revision." >&2; exit 1;; esac
git init --quiet "$GIT_DIRECTORY"
cd "$GIT_DIRECTORY"
git config --local safe.directory '*'
if [ -n "$GIT_TOKEN_FILE" ]; then
  git config --local "http.$GIT_URL.extraHeader" "Authorization: Bearer $(cat "$GIT_TOKEN_FILE")"
fi
git remote add origin -- "$GIT_URL"
if git fetch --quiet --depth "$GIT_DEPTH" -- origin "\${GIT_REVISION:-HEAD}" 2>/tmp/fetch-error; then
  git checkout --quiet --detach FETCH_HEAD
elif git fetch --quiet --tags origin; then
  git checkout --quiet --detach "$GIT_REVISION" -- 2>/dev/null || git checkout --quiet --detach "origin/$GIT_REVISION" --
else
  cat /tmp/fetch-error >&2
  exit 1
fi
git submodule update --quiet --init --recursive --depth 1
git config --local --unset-all "http.$GIT_URL.extraHeader" || true
echo "$(git rev-parse HEAD) $(git log -1 --format=%s)"
`;
