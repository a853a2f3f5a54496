import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { isApiError, type KubeClient, type Pod, PODS, unlessGone } from '../../../kube/index.ts';
import { TASK_RUNS, type TaskRun } from '../../../pipelines/index.ts';
import { UserError } from '../../../server/index.ts';
import { type Environment, findCluster, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { withClient } from './client.ts';

interface DebugFlags {
  task: string;
  step: string;
}

const START_PATIENCE_MS = 60_000;
const POLL_MS = 50;
const LIFETIME = '14400';

export function registerDebug(ci: Command, environment: Environment): void {
  ci.command('debug')
    .description('Open a shell in the files that a failed step has left, with its image and environment.')
    .argument('<run>', 'name of the run')
    .requiredOption('--task <name>', 'the task')
    .requiredOption('--step <name>', 'the step')
    .argument('[command...]', 'another program than a shell')
    .addHelpText(
      'after',
      examples(
        'dispatch ci debug hello-world-1-main-0a1b2c3-x7x7x --task test --step test',
        'dispatch ci debug hello-world-1-main-0a1b2c3-x7x7x --task test --step test -- ls -l /workspace',
      ),
    )
    .action((run: string, words: string[], flags: DebugFlags, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const pod = await client.create<Pod>(PODS, await debugPod(client, namespace, run, flags));
        const name = pod.metadata.name ?? '';
        try {
          await untilRunning(client, namespace, name);
          const { kubeconfig } = await findCluster(environment, globalFlags(command));
          const exitCode = await inside(environment, kubeconfig, { namespace, name, words });
          if (exitCode !== 0) throw new UserError(`It ended with exit code ${exitCode}.`);
        } finally {
          await unlessGone(client.delete(PODS, namespace, name, { gracePeriodSeconds: 0 }));
        }
      }),
    );
}

/** A pod with the step's image, environment and mounts, whose volumes are those of the pod that has ended. */
async function debugPod(
  client: KubeClient,
  namespace: string,
  run: string,
  { task, step }: DebugFlags,
): Promise<Pod> {
  const { items } = await client.list<TaskRun>(TASK_RUNS, {
    namespace,
    labelSelector: `tekton.dev/pipelineRun=${run},tekton.dev/pipelineTask=${task}`,
  });
  const podName = items[0]?.status?.podName;
  if (podName === undefined)
    throw new UserError(
      `The run ${run} has no task ${task} that has run: see "dispatch ci describe ${run}".`,
    );
  const ended = await client.get<Pod>(PODS, namespace, podName).catch((error: unknown) => {
    if (isApiError(error, 'NotFound'))
      throw new UserError(`The pod of task ${task} is gone, and its files with it: run it again.`, {
        cause: error,
      });
    throw error;
  });
  const container = ended.spec.containers.find((item) => item.name === `step-${step}`);
  if (container === undefined) {
    const known = ended.spec.containers.map((item) => item.name.replace(/^step-/, '')).join(', ');
    throw new UserError(`Task ${task} has no step ${step}: it has ${known}.`);
  }
  if (ended.metadata.annotations?.['dispatch.dev/keep-volumes'] === undefined)
    throw new UserError(`Task ${task} went well, and its files are gone: only what failed can be looked at.`);
  const { command: _command, args: _args, ...rest } = container;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `debug-${step.slice(0, 40)}-`,
      namespace,
      annotations: {
        ...ended.metadata.annotations,
        'dispatch.dev/sequential': 'false',
        'dispatch.dev/keep-volumes': 'false',
        'dispatch.dev/looks-at': podName,
        'dispatch.dev/looks-into': container.name,
      },
    },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      ...(ended.spec.serviceAccountName && { serviceAccountName: ended.spec.serviceAccountName }),
      volumes: (ended.spec.volumes ?? []).filter((volume) => !volume.name.startsWith('kube-api-access')),
      containers: [
        {
          ...rest,
          name: 'debug',
          command: ['sleep', LIFETIME],
          volumeMounts: (container.volumeMounts ?? []).filter(
            (mount) => !mount.name.startsWith('kube-api-access'),
          ),
        },
      ],
    },
  };
}

async function untilRunning(client: KubeClient, namespace: string, name: string): Promise<void> {
  const deadline = Date.now() + START_PATIENCE_MS;
  for (;;) {
    const { status } = await client.get<Pod>(PODS, namespace, name);
    if (status?.phase === 'Running') return;
    const why = status?.containerStatuses?.[0]?.state;
    if (status?.phase === 'Failed')
      throw new UserError(
        `The step cannot be looked into: ${why?.terminated?.message ?? 'its image has no "sleep"'}.`,
      );
    if (Date.now() > deadline)
      throw new UserError(
        `The step cannot be looked into: ${why?.waiting?.message ?? 'its pod did not start within a minute'}.`,
      );
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function inside(
  environment: Environment,
  kubeconfig: string | undefined,
  { namespace, name, words }: { namespace: string; name: string; words: readonly string[] },
): Promise<number> {
  const terminal = environment.stdout.isTTY && words.length === 0 ? ['-it'] : ['-i'];
  const args = ['exec', ...terminal, '-n', namespace, name, '--', ...(words.length > 0 ? words : ['sh'])];
  return new Promise((resolve, reject) => {
    const child = spawn(
      'kubectl',
      [...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]), ...args],
      { stdio: 'inherit' },
    );
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new UserError('kubectl is not installed: install it, then try again.', { cause: error })
          : error,
      ),
    );
    child.once('close', (code) => resolve(code ?? 137));
  });
}
