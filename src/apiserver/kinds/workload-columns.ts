import { isRecord, type KubeObject } from '../../kube/index.ts';
import {
  AGE_COLUMN,
  age,
  at,
  column,
  containerColumns,
  count,
  duration,
  listAt,
  NAME_COLUMN,
  numberAt,
  selectorText,
  textAt,
} from './columns.ts';
import type { Column } from './resource.ts';

const SELECTOR = column('Selector', (object) => selectorText(at(object, 'spec.selector')), { wide: true });

export const POD_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Ready', (object) => {
    const statuses = listAt(object, 'status.containerStatuses');
    const ready = statuses.filter((status) => at(status, 'ready') === true).length;
    return `${ready}/${listAt(object, 'spec.containers').length}`;
  }),
  column('Status', podStatus),
  column('Restarts', podRestarts),
  AGE_COLUMN,
  column('IP', (object) => textAt(object, 'status.podIP') ?? '<none>', { wide: true }),
  column('Node', (object) => textAt(object, 'spec.nodeName') ?? '<none>', { wide: true }),
  column('Nominated Node', (object) => textAt(object, 'status.nominatedNodeName') ?? '<none>', {
    wide: true,
  }),
  column('Readiness Gates', () => '<none>', { wide: true }),
];

/** One word for the state of a pod: the reason of the container that tells most, else the phase. */
function podStatus(pod: KubeObject): string {
  let reason = textAt(pod, 'status.reason') ?? textAt(pod, 'status.phase') ?? 'Unknown';
  const init = initReason(pod);
  if (init !== undefined) {
    reason = init;
  } else {
    let running = false;
    for (const status of listAt(pod, 'status.containerStatuses').reverse()) {
      const found = containerReason(status);
      if (found !== undefined) reason = found;
      else if (at(status, 'ready') === true && isRecord(at(status, 'state.running'))) running = true;
    }
    if (reason === 'Completed' && running) reason = isReady(pod) ? 'Running' : 'NotReady';
  }
  if (pod.metadata.deletionTimestamp === undefined) return reason;
  return textAt(pod, 'status.reason') === 'NodeLost' ? 'Unknown' : 'Terminating';
}

function initReason(pod: KubeObject): string | undefined {
  const statuses = listAt(pod, 'status.initContainerStatuses');
  const sidecars = new Set(
    listAt(pod, 'spec.initContainers')
      .filter((item) => at(item, 'restartPolicy') === 'Always')
      .map((item) => at(item, 'name')),
  );
  for (const [index, status] of statuses.entries()) {
    if (at(status, 'state.terminated.exitCode') === 0) continue;
    if (sidecars.has(at(status, 'name')) && at(status, 'started') === true) continue;
    const reason = containerReason(status);
    if (reason !== undefined && reason !== 'PodInitializing') return `Init:${reason}`;
    return `Init:${index}/${listAt(pod, 'spec.initContainers').length}`;
  }
  return undefined;
}

function containerReason(status: unknown): string | undefined {
  const waiting = textAt(status, 'state.waiting.reason');
  if (waiting) return waiting;
  if (!isRecord(at(status, 'state.terminated'))) return undefined;
  const reason = textAt(status, 'state.terminated.reason');
  if (reason) return reason;
  const signal = numberAt(status, 'state.terminated.signal');
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberAt(status, 'state.terminated.exitCode')}`;
}

function isReady(pod: KubeObject): boolean {
  return listAt(pod, 'status.conditions').some(
    (item) => at(item, 'type') === 'Ready' && at(item, 'status') === 'True',
  );
}

function podRestarts(pod: KubeObject, now: number): string {
  const statuses = [
    ...listAt(pod, 'status.initContainerStatuses'),
    ...listAt(pod, 'status.containerStatuses'),
  ];
  const restarts = statuses.reduce<number>((sum, status) => sum + numberAt(status, 'restartCount'), 0);
  const ends = statuses
    .map((status) => textAt(status, 'lastState.terminated.finishedAt'))
    .filter((end) => end !== undefined);
  const last = ends.sort().at(-1);
  return restarts > 0 && last !== undefined ? `${restarts} (${age(last, now)} ago)` : String(restarts);
}

export const DEPLOYMENT_COLUMNS: Column[] = [
  NAME_COLUMN,
  column(
    'Ready',
    (object) => `${numberAt(object, 'status.readyReplicas')}/${numberAt(object, 'spec.replicas')}`,
  ),
  count('Up-to-date', 'status.updatedReplicas'),
  count('Available', 'status.availableReplicas'),
  AGE_COLUMN,
  ...containerColumns('spec.template.spec.containers'),
  SELECTOR,
];

export const REPLICA_SET_COLUMNS: Column[] = [
  NAME_COLUMN,
  count('Desired', 'spec.replicas'),
  count('Current', 'status.replicas'),
  count('Ready', 'status.readyReplicas'),
  AGE_COLUMN,
  ...containerColumns('spec.template.spec.containers'),
  SELECTOR,
];

export const STATEFUL_SET_COLUMNS: Column[] = [
  NAME_COLUMN,
  column(
    'Ready',
    (object) => `${numberAt(object, 'status.readyReplicas')}/${numberAt(object, 'spec.replicas')}`,
  ),
  AGE_COLUMN,
  ...containerColumns('spec.template.spec.containers'),
];

export const DAEMON_SET_COLUMNS: Column[] = [
  NAME_COLUMN,
  count('Desired', 'status.desiredNumberScheduled'),
  count('Current', 'status.currentNumberScheduled'),
  count('Ready', 'status.numberReady'),
  count('Up-to-date', 'status.updatedNumberScheduled'),
  count('Available', 'status.numberAvailable'),
  column('Node Selector', (object) => selectorText(at(object, 'spec.template.spec.nodeSelector'))),
  AGE_COLUMN,
  ...containerColumns('spec.template.spec.containers'),
  SELECTOR,
];

export const JOB_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Status', jobStatus),
  column('Completions', (object) => {
    const wanted = at(object, 'spec.completions');
    const done = numberAt(object, 'status.succeeded');
    if (typeof wanted === 'number') return `${done}/${wanted}`;
    const parallel = numberAt(object, 'spec.parallelism');
    return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`;
  }),
  column('Duration', (object, now) => {
    const start = textAt(object, 'status.startTime');
    if (start === undefined) return '';
    const end = textAt(object, 'status.completionTime');
    return duration(((end ? Date.parse(end) : now) - Date.parse(start)) / 1000);
  }),
  AGE_COLUMN,
  ...containerColumns('spec.template.spec.containers'),
  SELECTOR,
];

function jobStatus(job: KubeObject): string {
  const is = (type: string): boolean =>
    listAt(job, 'status.conditions').some(
      (item) => at(item, 'type') === type && at(item, 'status') === 'True',
    );
  if (is('Complete')) return 'Complete';
  if (is('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (is('Suspended')) return 'Suspended';
  if (is('FailureTarget')) return 'FailureTarget';
  if (is('SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return 'Running';
}

export const CRON_JOB_COLUMNS: Column[] = [
  NAME_COLUMN,
  column('Schedule', 'spec.schedule'),
  column('Timezone', (object) => textAt(object, 'spec.timeZone') ?? '<none>'),
  column('Suspend', (object) => (at(object, 'spec.suspend') === true ? 'True' : 'False')),
  column('Active', (object) => listAt(object, 'status.active').length, { type: 'integer' }),
  column('Last Schedule', (object, now) => {
    const last = textAt(object, 'status.lastScheduleTime');
    return last === undefined ? '<none>' : age(last, now);
  }),
  AGE_COLUMN,
  ...containerColumns('spec.jobTemplate.spec.template.spec.containers'),
  column('Selector', (object) => selectorText(at(object, 'spec.jobTemplate.spec.selector')), { wide: true }),
];

export const AUTOSCALER_COLUMNS: Column[] = [
  NAME_COLUMN,
  column(
    'Reference',
    (object) => `${textAt(object, 'spec.scaleTargetRef.kind')}/${textAt(object, 'spec.scaleTargetRef.name')}`,
  ),
  column(
    'Targets',
    (object) =>
      listAt(object, 'spec.metrics')
        .map((metric, index) => metricText(object, metric, index))
        .join(', ') || '<none>',
  ),
  column('MinPods', (object) => textAt(object, 'spec.minReplicas') ?? '<unset>'),
  count('MaxPods', 'spec.maxReplicas'),
  count('Replicas', 'status.currentReplicas'),
  AGE_COLUMN,
];

function metricText(autoscaler: KubeObject, metric: unknown, index: number): string {
  const name = textAt(metric, 'resource.name') ?? textAt(metric, 'pods.metric.name') ?? '';
  const source = name === textAt(metric, 'resource.name') ? 'resource' : 'pods';
  const current = listAt(autoscaler, 'status.currentMetrics')[index];
  const target = at(metric, `${source}.target.averageUtilization`);
  const label = source === 'resource' ? `${name}: ` : '';
  if (target !== undefined)
    return `${label}${textAt(current, `${source}.current.averageUtilization`) ?? '<unknown>'}${at(current, `${source}.current.averageUtilization`) === undefined ? '' : '%'}/${target}%`;
  return `${label}${textAt(current, `${source}.current.averageValue`) ?? '<unknown>'}/${textAt(metric, `${source}.target.averageValue`) ?? ''}`;
}
