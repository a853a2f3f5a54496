import type { KubeObject } from '../kube/index.ts';
import { GROUP } from './resources.ts';

interface Kind {
  kind: string;
  plural: string;
  version: string;
  /** A version of old that is served beside it. Its fields are understood where they are. */
  older?: string;
  shortNames?: string[];
  isRun?: boolean;
}

const KINDS: readonly Kind[] = [
  { kind: 'Pipeline', plural: 'pipelines', version: 'v1', older: 'v1beta1' },
  { kind: 'Task', plural: 'tasks', version: 'v1', older: 'v1beta1' },
  {
    kind: 'PipelineRun',
    plural: 'pipelineruns',
    version: 'v1',
    older: 'v1beta1',
    shortNames: ['pr', 'prs'],
    isRun: true,
  },
  {
    kind: 'TaskRun',
    plural: 'taskruns',
    version: 'v1',
    older: 'v1beta1',
    shortNames: ['tr', 'trs'],
    isRun: true,
  },
  { kind: 'StepAction', plural: 'stepactions', version: 'v1beta1', older: 'v1alpha1' },
  { kind: 'CustomRun', plural: 'customruns', version: 'v1beta1', isRun: true },
];

const RUN_COLUMNS = [
  { name: 'Succeeded', type: 'string', jsonPath: '.status.conditions[?(@.type=="Succeeded")].status' },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Succeeded")].reason' },
  { name: 'StartTime', type: 'date', jsonPath: '.status.startTime' },
  { name: 'CompletionTime', type: 'date', jsonPath: '.status.completionTime' },
];

const text = { type: 'string' };
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const value = { 'x-kubernetes-preserve-unknown-fields': true };
const list = (items: object): object => ({ type: 'array', items });
const shape = (properties: object, required: string[] = []): object => ({
  ...open,
  properties,
  ...(required.length > 0 && { required }),
});

const when = list(
  shape({ input: text, operator: { type: 'string', enum: ['in', 'notin'] }, values: list(text), cel: text }),
);
const params = list(shape({ name: text, value }, ['name', 'value']));
const steps = list(
  shape({
    name: text,
    image: text,
    script: text,
    command: list(text),
    args: list(text),
    workingDir: text,
    when,
  }),
);
const taskSpec = shape({
  steps,
  sidecars: list(shape({ name: text, image: text })),
  params: list(
    shape({ name: text, type: { type: 'string', enum: ['string', 'array', 'object'] } }, ['name']),
  ),
  results: list(shape({ name: text }, ['name'])),
  workspaces: list(shape({ name: text }, ['name'])),
});
const pipelineTasks = list(
  shape({
    name: text,
    taskRef: open,
    taskSpec,
    params,
    runAfter: list(text),
    when,
    retries: { type: 'integer', minimum: 0 },
    timeout: text,
  }),
);
const pipelineSpec = shape({ tasks: pipelineTasks, finally: pipelineTasks });
const workspaces = list(shape({ name: text, subPath: text }, ['name']));

const SPECS: Record<string, object> = {
  Pipeline: pipelineSpec,
  Task: taskSpec,
  PipelineRun: shape({ pipelineRef: open, pipelineSpec, params, workspaces, status: text, timeouts: open }),
  TaskRun: shape({
    taskRef: open,
    taskSpec,
    params,
    workspaces,
    status: text,
    serviceAccountName: text,
    timeout: text,
    retries: { type: 'integer' },
  }),
  StepAction: open,
  CustomRun: open,
};

/** The definitions of Tekton's kinds. Fields that they do not name are kept, as Tekton itself does. */
export function tektonDefinitions(): KubeObject[] {
  return KINDS.map(({ kind, plural, version, older, shortNames, isRun }) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}`, labels: { 'app.kubernetes.io/part-of': 'tekton-pipelines' } },
    spec: {
      group: GROUP,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        categories: ['tekton', 'tekton-pipelines'],
        ...(shortNames && { shortNames }),
      },
      scope: 'Namespaced',
      versions: [version, ...(older === undefined ? [] : [older])].map((name) => ({
        name,
        served: true,
        storage: name === version,
        ...(isRun && { subresources: { status: {} }, additionalPrinterColumns: RUN_COLUMNS }),
        schema: { openAPIV3Schema: { ...open, properties: { spec: SPECS[kind]!, status: open } } },
      })),
    },
  }));
}
