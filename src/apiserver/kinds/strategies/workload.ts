import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { isRecord, type KubeObject } from '../../../kube/index.ts';
import type { FieldError } from '../../schema/index.ts';
import { at, listAt, numberAt, textAt } from '../columns.ts';
import type { Strategy } from '../resource.ts';
import { preparePodSpec, validateTemplate } from './pod.ts';

function spec(object: KubeObject): Record<string, unknown> {
  if (!isRecord(object['spec'])) object['spec'] = {};
  return object['spec'] as Record<string, unknown>;
}

function immutable(object: KubeObject, before: KubeObject | undefined, path: string): FieldError[] {
  if (before === undefined || isDeepStrictEqual(at(object, path), at(before, path))) return [];
  return [{ kind: 'invalid', field: path, value: at(object, path), detail: 'field is immutable' }];
}

/** The pods that a controller makes must be pods that it selects. */
function selectsTemplate(object: KubeObject): FieldError[] {
  const labels = at(object, 'spec.template.metadata.labels');
  const wanted = at(object, 'spec.selector.matchLabels');
  const expressions = listAt(object, 'spec.selector.matchExpressions');
  if (!isRecord(wanted) && expressions.length === 0) {
    return [
      {
        kind: 'invalid',
        field: 'spec.selector',
        value: at(object, 'spec.selector'),
        detail: 'empty selector is invalid for this kind',
      },
    ];
  }
  const matches = Object.entries(isRecord(wanted) ? wanted : {}).every(
    ([key, value]) => isRecord(labels) && labels[key] === value,
  );
  if (matches) return [];
  return [
    {
      kind: 'invalid',
      field: 'spec.template.metadata.labels',
      value: labels,
      detail: '`selector` does not match template `labels`',
    },
  ];
}

function controller(defaults?: (object: KubeObject) => void): Strategy {
  return {
    prepare: (object, before) => {
      preparePodSpec(at(object, 'spec.template.spec'));
      defaults?.(object);
      if (before === undefined) object['status'] = {};
    },
    validate: (object, before) => [
      ...validateTemplate(object),
      ...selectsTemplate(object),
      ...immutable(object, before, 'spec.selector'),
    ],
  };
}

export const DEPLOYMENT_STRATEGY = controller((object) => {
  const strategy = at(object, 'spec.strategy');
  if (!isRecord(strategy) || strategy['type'] !== 'RollingUpdate') return;
  strategy['rollingUpdate'] = {
    maxUnavailable: '25%',
    maxSurge: '25%',
    ...(isRecord(strategy['rollingUpdate']) ? strategy['rollingUpdate'] : {}),
  };
});

export const REPLICA_SET_STRATEGY = withStatus(controller(), { replicas: 0 });

export const STATEFUL_SET_STRATEGY = withStatus(
  controller((object) => {
    const strategy = at(object, 'spec.updateStrategy');
    if (isRecord(strategy) && strategy['type'] === 'RollingUpdate')
      strategy['rollingUpdate'] ??= { partition: 0 };
    for (const claim of listAt(object, 'spec.volumeClaimTemplates')) {
      if (!isRecord(claim)) continue;
      claim['apiVersion'] ??= 'v1';
      claim['kind'] ??= 'PersistentVolumeClaim';
      claim['status'] ??= { phase: 'Pending' };
    }
  }),
  { replicas: 0, availableReplicas: 0 },
);

export const DAEMON_SET_STRATEGY = withStatus(
  controller((object) => {
    const strategy = at(object, 'spec.updateStrategy');
    if (isRecord(strategy) && strategy['type'] === 'RollingUpdate') {
      strategy['rollingUpdate'] = {
        maxSurge: 0,
        maxUnavailable: 1,
        ...(isRecord(strategy['rollingUpdate']) ? strategy['rollingUpdate'] : {}),
      };
    }
  }),
  { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
);

function withStatus(strategy: Strategy, status: Record<string, number>): Strategy {
  return {
    ...strategy,
    prepare: (object, before) => {
      strategy.prepare?.(object, before);
      if (before === undefined) object['status'] = { ...status };
    },
  };
}

export const REPLICATION_CONTROLLER_STRATEGY: Strategy = {
  prepare: (object, before) => {
    preparePodSpec(at(object, 'spec.template.spec'));
    const labels = at(object, 'spec.template.metadata.labels');
    if (isRecord(labels)) {
      spec(object)['selector'] ??= { ...labels };
      object.metadata.labels ??= { ...(labels as Record<string, string>) };
    }
    if (before === undefined) object['status'] = { replicas: 0 };
  },
  validate: (object) => validateTemplate(object),
};

export const JOB_STRATEGY: Strategy = {
  prepare: (job, before) => {
    const fields = spec(job);
    preparePodSpec(at(job, 'spec.template.spec'));
    if (fields['completions'] === undefined && fields['parallelism'] === undefined) fields['completions'] = 1;
    fields['parallelism'] ??= 1;
    fields['backoffLimit'] ??= fields['backoffLimitPerIndex'] === undefined ? 6 : 2 ** 31 - 1;
    fields['podReplacementPolicy'] ??=
      fields['podFailurePolicy'] === undefined ? 'TerminatingOrFailed' : 'Failed';
    if (before !== undefined) return;
    job['status'] = {};
    if (fields['manualSelector'] === true) return;
    // The job's pods are told apart by its uid, so that jobs of one name never take each other's pods.
    const uid = job.metadata.uid ?? randomUUID();
    const labels = {
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': job.metadata.name ?? '',
      'controller-uid': uid,
      'job-name': job.metadata.name ?? '',
    };
    const template = fields['template'];
    if (!isRecord(template)) return;
    const metadata = isRecord(template['metadata']) ? template['metadata'] : {};
    template['metadata'] = {
      ...metadata,
      labels: { ...(isRecord(metadata['labels']) ? metadata['labels'] : {}), ...labels },
    };
    fields['selector'] = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
  },
  validate: (job, before) => {
    const errors = validateTemplate(job);
    const policy = textAt(job, 'spec.template.spec.restartPolicy');
    if (policy === 'Always') {
      errors.push({
        kind: 'notSupported',
        field: 'spec.template.spec.restartPolicy',
        value: policy,
        detail: 'supported values: "OnFailure", "Never"',
      });
    }
    if (at(job, 'spec.completionMode') === 'Indexed' && at(job, 'spec.completions') === undefined) {
      errors.push({ kind: 'required', field: 'spec.completions', detail: 'when completion mode is Indexed' });
    }
    if (before !== undefined)
      errors.push(
        ...immutable(job, before, 'spec.selector'),
        ...immutable(job, before, 'spec.completionMode'),
      );
    if (before !== undefined && at(before, 'spec.suspend') !== true)
      errors.push(...immutable(job, before, 'spec.template'));
    return errors;
  },
};

export const CRON_JOB_STRATEGY: Strategy = {
  prepare: (object, before) => {
    preparePodSpec(at(object, 'spec.jobTemplate.spec.template.spec'));
    if (before === undefined) object['status'] = {};
  },
  validate: (object) => {
    const errors = validateTemplate(object, 'spec.jobTemplate.spec.template');
    const schedule = textAt(object, 'spec.schedule') ?? '';
    if (schedule === '') errors.push({ kind: 'required', field: 'spec.schedule' });
    else if (!/^(?:@\w+(?: \S+)?|(?:TZ=\S+ )?\S+(?:\s+\S+){4})$/.test(schedule)) {
      errors.push({
        kind: 'invalid',
        field: 'spec.schedule',
        value: schedule,
        detail: 'expected exactly 5 fields',
      });
    }
    return errors;
  },
};

export const TEMPLATE_STRATEGY: Strategy = {
  prepare: (object) => preparePodSpec(at(object, 'template.spec')),
};

export const AUTOSCALER_STRATEGY: Strategy = {
  prepare: (object, before) => {
    const fields = spec(object);
    if (listAt(object, 'spec.metrics').length === 0) {
      fields['metrics'] = [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
        },
      ];
    }
    if (before === undefined)
      object['status'] = { desiredReplicas: 0, currentMetrics: null, currentReplicas: 0 };
  },
  validate: (object) => {
    const [min, max] = [numberAt(object, 'spec.minReplicas'), numberAt(object, 'spec.maxReplicas')];
    if (max >= min) return [];
    return [
      {
        kind: 'invalid',
        field: 'spec.maxReplicas',
        value: max,
        detail: 'must be greater than or equal to `minReplicas`',
      },
    ];
  },
};
