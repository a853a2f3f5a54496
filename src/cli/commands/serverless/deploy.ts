import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import {
  type ClusterForm,
  type ClusterObject,
  type ClusterPlan,
  clusterObjects,
  FUNCTIONS,
  type FunctionObject,
  KNATIVE_SERVICES,
  type StandaloneImage,
} from '../../../functions/index.ts';
import {
  type Condition,
  conditionOf,
  HttpTransport,
  isApiError,
  KubeClient,
  loadKubeconfig,
  type KubeObject,
  pause,
} from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import { connect, type Environment, globalFlags, namespaceOf, userKubeconfig } from '../../environment.ts';
import { examples } from '../../help.ts';
import { registryCredentials } from '../../registry-credentials.ts';

type Deployed = KubeObject & {
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    conditions?: Condition[];
  };
};

interface DeployFlags {
  image?: string;
  to?: string;
  toKubeconfig?: string;
  toNamespace?: string;
  as?: ClusterForm;
  wait: boolean;
  timeout: string;
}

const POLL_MS = 250;

export function registerDeploy(fn: Command, environment: Environment): void {
  fn.command('deploy')
    .description('Run a function on any cluster: a Service of Knative there, or a Deployment that scales.')
    .argument('<name>', 'name of the function')
    .option('--image <name>', 'what the image is called that is pushed for that cluster')
    .option('--to <context>', 'context of the cluster (default: this server)')
    .option('--to-kubeconfig <file>', 'where that context is (default: $KUBECONFIG or ~/.kube/config)')
    .option('--to-namespace <name>', 'namespace there (default: the same)')
    .addOption(
      new Option('--as <form>', 'what it is there (default: what the cluster has)').choices([
        'knative',
        'deployment',
      ]),
    )
    .option('--no-wait', 'do not wait until it can be called')
    .option('--timeout <seconds>', 'how long to wait', '120')
    .addHelpText(
      'after',
      examples(
        'dispatch function deploy hello --to production --image registry.example.com/team/hello:1',
        'dispatch function deploy hello --image registry.example.com/team/hello:1 --dry-run > hello.yaml',
      ),
    )
    .action(async (name: string, flags: DeployFlags, command: Command) => {
      const globals = globalFlags(command);
      const namespace = namespaceOf(environment, globals);
      const own = await connect(environment, globals);
      const target =
        flags.to === undefined && flags.toKubeconfig === undefined ? own : targetOf(environment, flags);
      try {
        const found = await own.get<FunctionObject>(FUNCTIONS, namespace, name);
        const isDry = globals.dryRun === true;
        if (target !== own && flags.image === undefined)
          throw new UserError(
            `The images of this server are not known elsewhere: say with --image where one is pushed that ${flags.to ?? 'the cluster'} can fetch.`,
          );
        const form = flags.as ?? ((await hasKnative(target)) ? 'knative' : 'deployment');
        const image = await imageOf(own, found, flags.image);
        const objects = clusterObjects(found, { form, ...image, namespace: flags.toNamespace ?? namespace });
        if (isDry) {
          environment.stdout.write(objects.map(({ object }) => stringify(object)).join('---\n'));
          return;
        }
        for (const { ref, object } of objects) {
          await target.apply(ref, object, { force: true });
          environment.stdout.write(`${ref.plural}${ref.group && `.${ref.group}`}/${name} applied\n`);
        }
        if (flags.wait) await untilReady(target, objects[0]!, Number(flags.timeout) * 1000);
      } finally {
        if (target !== own) await target.close();
        await own.close();
      }
    });
}

function targetOf({ env }: Environment, { to, toKubeconfig }: DeployFlags): KubeClient {
  const path = toKubeconfig ?? userKubeconfig(env);
  const access = loadKubeconfig({ path, allowExec: true, ...(to !== undefined && { context: to }) });
  return new KubeClient(new HttpTransport(access));
}

async function hasKnative(target: KubeClient): Promise<boolean> {
  const { group, version } = KNATIVE_SERVICES;
  try {
    await target.raw({ method: 'GET', path: `/apis/${group}/${version}` });
    return true;
  } catch (error) {
    if (isApiError(error, 'NotFound')) return false;
    throw error;
  }
}

/** The function as an image, by its digest: what runs is what was built, whatever becomes of its name. */
async function imageOf(
  own: KubeClient,
  fn: FunctionObject,
  pushed: string | undefined,
): Promise<Pick<ClusterPlan, 'image' | 'isForNobody'>> {
  const { namespace = '', name: called = '' } = fn.metadata;
  const { image, digest, isForNobody } = await own.raw<StandaloneImage>({
    method: 'POST',
    path: `/apis/run.dispatch.dev/v1alpha1/namespaces/${namespace}/functionimages`,
    headers: { 'content-type': 'application/json' },
    body: {
      spec: { function: called, ...(pushed !== undefined && { image: pushed }) },
      ...(pushed !== undefined && (await registryCredentials())),
    },
  });
  const name = image.replace(/@.*$/, '').replace(/:[^/:]+$/, '');
  return { image: `${name}@${digest}`, isForNobody };
}

async function untilReady(
  target: KubeClient,
  { ref, object }: ClusterObject,
  limitMs: number,
): Promise<void> {
  const { namespace = '', name = '' } = object.metadata;
  const signal = AbortSignal.timeout(limitMs);
  for (;;) {
    const found = await target.get<Deployed>(ref, namespace, name);
    const { status } = found;
    const isSeen = (status?.observedGeneration ?? 0) >= (found.metadata.generation ?? 0);
    // What ran before may be available still: all pods have to be of the new image.
    const isNew = status?.updatedReplicas === status?.replicas;
    const condition = conditionOf(status?.conditions, ref === KNATIVE_SERVICES ? 'Ready' : 'Available');
    if (isSeen && isNew && condition?.status === 'True') return;
    if (signal.aborted)
      throw new UserError(
        `${name} cannot be called yet${condition?.message ? `: ${condition.message}` : ''}. See "kubectl describe ${ref.plural}${ref.group && `.${ref.group}`} ${name} -n ${namespace}".`,
      );
    await pause(POLL_MS, signal);
  }
}
