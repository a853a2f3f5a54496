import {
  CONTROLLER_REVISIONS,
  Controller,
  DAEMON_SETS,
  DONE,
  type Informer,
  isPodFinished,
  isPodReady,
  type KubeObject,
  type LabelSelector,
  matchesExpression,
  NODES,
  type Outcome,
  type Pod,
  PODS,
  type PodTemplate,
  type Request,
  type Toleration,
} from '../../kube/index.ts';
import type { Runnable, WorkloadContext } from '../context.ts';
import { amount } from '../deployment/deployment.ts';
import { isAvailable, PodControl } from '../pod-control.ts';
import { type Revision, RevisionHistory } from '../revisions.ts';
import { writeStatus } from '../status-writer.ts';

interface DaemonSet extends KubeObject {
  spec: {
    selector: LabelSelector;
    template: PodTemplate;
    minReadySeconds?: number;
    revisionHistoryLimit?: number;
    updateStrategy?: { type?: string; rollingUpdate?: { maxUnavailable?: number | string } };
  };
}

interface NodeObject extends KubeObject {
  spec: { taints?: { key: string; value?: string; effect: string }[]; unschedulable?: boolean };
}

const REVISION_LABEL = 'controller-revision-hash';
/** What a daemon bears without being asked: it belongs to the node, whatever state that is in. */
const BORNE: Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];

/** One pod on every node that takes it. */
export class DaemonSetController implements Runnable {
  readonly #context: WorkloadContext;
  readonly #sets: Informer<DaemonSet>;
  readonly #nodes: Informer<NodeObject>;
  readonly #pods: PodControl;
  readonly #history: RevisionHistory;
  readonly #controller: Controller;

  constructor(context: WorkloadContext) {
    this.#context = context;
    const { informers, client, log, now } = context;
    this.#sets = informers.for<DaemonSet>(DAEMON_SETS);
    this.#nodes = informers.for<NodeObject>(NODES);
    const pods = informers.for<Pod>(PODS);
    this.#history = new RevisionHistory(client, informers.for<Revision>(CONTROLLER_REVISIONS));
    this.#pods = new PodControl({ client, pods, events: context.events('daemonset-controller'), now });
    this.#controller = new Controller({
      name: 'daemonset',
      log,
      reconcile: (request) => this.#reconcile(request),
    })
      .for(this.#sets)
      .owns(pods, { apiVersion: 'apps/v1', kind: 'DaemonSet' });
    this.#controller.watches(this.#nodes, () =>
      this.#sets
        .list()
        .map((set) => ({ namespace: set.metadata.namespace ?? '', name: set.metadata.name ?? '' })),
    );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(request: Request): Promise<Outcome> {
    const set = this.#sets.get(request.namespace, request.name);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return DONE;
    const isCurrent = this.#pods.isCurrent(set);
    const pods = await this.#pods.claim(set, set.spec.selector);
    const { update } = await this.#history.of(set, set.spec.template, undefined);
    const wanted = this.#nodes.list().filter((node) => takes(node, set));
    if (isCurrent) await this.#manage(set, pods, wanted, update);
    await this.#report(set, pods, wanted, update);
    await this.#history.truncate(
      set,
      new Set([update.metadata.name ?? '']),
      set.spec.revisionHistoryLimit ?? 10,
    );
    return DONE;
  }

  async #manage(
    set: DaemonSet,
    pods: readonly Pod[],
    nodes: readonly NodeObject[],
    update: Revision,
  ): Promise<void> {
    const names = new Set(nodes.map((node) => node.metadata.name ?? ''));
    const byNode = new Map<string, Pod[]>();
    for (const pod of pods) {
      const node = targetOf(pod);
      byNode.set(node, [...(byNode.get(node) ?? []), pod]);
    }
    for (const [node, list] of byNode) {
      const [keep, ...more] = list.filter((pod) => pod.metadata.deletionTimestamp === undefined);
      const away = names.has(node) && keep !== undefined && !isPodFinished(keep) ? more : [keep, ...more];
      for (const pod of away) if (pod !== undefined) await this.#pods.delete(set, pod);
    }
    for (const name of names)
      if ((byNode.get(name) ?? []).length === 0) await this.#create(set, name, update);
    if (set.spec.updateStrategy?.type !== 'OnDelete') await this.#update(set, pods, names, update);
  }

  async #update(
    set: DaemonSet,
    pods: readonly Pod[],
    names: ReadonlySet<string>,
    update: Revision,
  ): Promise<void> {
    const limit = Math.max(
      1,
      amount(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, names.size, Math.ceil),
    );
    const now = this.#context.now();
    const isWell = (pod: Pod): boolean =>
      pod.metadata.deletionTimestamp === undefined && isAvailable(pod, set.spec.minReadySeconds ?? 0, now);
    let spare = limit - (names.size - pods.filter(isWell).length);
    for (const pod of pods) {
      if (pod.metadata.deletionTimestamp !== undefined || !names.has(targetOf(pod))) continue;
      if (pod.metadata.labels?.[REVISION_LABEL] === update.metadata.name) continue;
      // One that does not work is missed by nobody.
      if (isWell(pod) && spare-- <= 0) continue;
      await this.#pods.delete(set, pod);
    }
  }

  async #create(set: DaemonSet, node: string, update: Revision): Promise<void> {
    await this.#pods.create(set, set.spec.template, {
      edit: (pod) => {
        pod.metadata.labels = { ...pod.metadata.labels, [REVISION_LABEL]: update.metadata.name ?? '' };
        pod.spec.tolerations = [...(pod.spec.tolerations ?? []), ...BORNE];
        pod.spec.affinity = {
          ...pod.spec.affinity,
          nodeAffinity: {
            ...pod.spec.affinity?.nodeAffinity,
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] },
              ],
            },
          },
        };
      },
    });
  }

  async #report(
    set: DaemonSet,
    pods: readonly Pod[],
    nodes: readonly NodeObject[],
    update: Revision,
  ): Promise<void> {
    const names = new Set(nodes.map((node) => node.metadata.name ?? ''));
    const mine = pods.filter((pod) => names.has(targetOf(pod)));
    const now = this.#context.now();
    const available = mine.filter((pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, now)).length;
    await writeStatus(this.#context.client, DAEMON_SETS, set, {
      observedGeneration: set.metadata.generation ?? 0,
      desiredNumberScheduled: nodes.length,
      currentNumberScheduled: new Set(mine.map(targetOf)).size,
      numberMisscheduled: pods.length - mine.length,
      numberReady: mine.filter(isPodReady).length,
      numberAvailable: available,
      numberUnavailable: Math.max(0, nodes.length - available),
      updatedNumberScheduled: mine.filter(
        (pod) => pod.metadata.labels?.[REVISION_LABEL] === update.metadata.name,
      ).length,
    });
  }
}

function targetOf(pod: Pod): string {
  if (pod.spec.nodeName !== undefined) return pod.spec.nodeName;
  const terms =
    pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return (
    terms.flatMap((term) => term.matchFields ?? []).find((item) => item.key === 'metadata.name')
      ?.values?.[0] ?? ''
  );
}

function takes(node: NodeObject, set: DaemonSet): boolean {
  const { spec } = set.spec.template;
  const labels = node.metadata.labels ?? {};
  if (!Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const terms =
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (
    terms !== undefined &&
    !terms.some(
      (term) =>
        (term.matchExpressions ?? []).every((item) => matchesExpression(item, labels)) &&
        (term.matchFields ?? []).every((item) =>
          matchesExpression(item, { 'metadata.name': node.metadata.name ?? '' }),
        ),
    )
  )
    return false;
  const tolerations = [...(spec.tolerations ?? []), ...BORNE];
  return (node.spec.taints ?? [])
    .filter((taint) => taint.effect !== 'PreferNoSchedule')
    .every((taint) =>
      tolerations.some(
        (item) =>
          (!item.effect || item.effect === taint.effect) &&
          (!item.key || item.key === taint.key) &&
          (item.operator === 'Exists' || (!!item.key && (item.value ?? '') === (taint.value ?? ''))),
      ),
    );
}
