import type {
  Condition,
  Container,
  EnvVar,
  KubeObject,
  ObjectMeta,
  Pod,
  Resources,
  Volume,
  VolumeMount,
  WhenExpression,
} from '../kube/index.ts';

/** The parts of tekton.dev/v1 that the engine reads and writes. */
export type ParamValue = string | string[] | Record<string, string>;

export interface Param {
  name: string;
  value: ParamValue;
}

export interface ParamSpec {
  name: string;
  type?: 'string' | 'array' | 'object';
  description?: string;
  default?: ParamValue;
  enum?: string[];
  properties?: Record<string, { type?: string }>;
}

export interface ResultSpec {
  name: string;
  type?: 'string' | 'array' | 'object';
  description?: string;
  properties?: Record<string, { type?: string }>;
  /** Taken from the result of a step. */
  value?: string;
}

export interface WorkspaceDeclaration {
  name: string;
  description?: string;
  mountPath?: string;
  readOnly?: boolean;
  optional?: boolean;
}

export interface WorkspaceBinding {
  name: string;
  subPath?: string;
  volumeClaimTemplate?: { metadata?: ObjectMeta; spec: object };
  persistentVolumeClaim?: Volume['persistentVolumeClaim'];
  emptyDir?: Volume['emptyDir'];
  configMap?: Volume['configMap'];
  secret?: Volume['secret'];
  projected?: Volume['projected'];
}

export interface Step extends Omit<Container, 'name' | 'image' | 'resources'> {
  name?: string;
  image?: string;
  script?: string;
  timeout?: string;
  onError?: 'continue' | 'stopAndFail';
  ref?: ResolverRef & { name?: string };
  params?: Param[];
  results?: ResultSpec[];
  when?: WhenExpression[];
  workspaces?: { name: string; mountPath?: string }[];
  stdoutConfig?: { path: string };
  stderrConfig?: { path: string };
  computeResources?: Resources;
}

export interface TaskSpec {
  params?: ParamSpec[];
  description?: string;
  displayName?: string;
  steps?: Step[];
  sidecars?: (Step & { restartPolicy?: string })[];
  volumes?: Volume[];
  stepTemplate?: Partial<Container> & { computeResources?: Resources };
  workspaces?: WorkspaceDeclaration[];
  results?: ResultSpec[];
}

export interface ResolverRef {
  resolver?: string;
  params?: Param[];
  bundle?: string;
}

export interface TaskRef extends ResolverRef {
  name?: string;
  kind?: string;
  apiVersion?: string;
}

export interface PodTemplate {
  nodeSelector?: Record<string, string>;
  tolerations?: Pod['spec']['tolerations'];
  affinity?: Pod['spec']['affinity'];
  securityContext?: Pod['spec']['securityContext'];
  volumes?: Volume[];
  env?: EnvVar[];
  imagePullSecrets?: { name: string }[];
  hostAliases?: Pod['spec']['hostAliases'];
  hostNetwork?: boolean;
  dnsPolicy?: string;
  dnsConfig?: Pod['spec']['dnsConfig'];
  schedulerName?: string;
  priorityClassName?: string;
  automountServiceAccountToken?: boolean;
  enableServiceLinks?: boolean;
  topologySpreadConstraints?: Pod['spec']['topologySpreadConstraints'];
}

export interface TaskRunSpec {
  params?: Param[];
  taskRef?: TaskRef;
  taskSpec?: TaskSpec;
  /** Some write it like this, and Tekton takes no notice. */
  TaskSpec?: TaskSpec;
  serviceAccountName?: string;
  status?: string;
  statusMessage?: string;
  retries?: number;
  timeout?: string;
  podTemplate?: PodTemplate;
  workspaces?: WorkspaceBinding[];
  stepSpecs?: { name: string; computeResources: Resources }[];
  sidecarSpecs?: { name: string; computeResources: Resources }[];
  computeResources?: Resources;
}

export interface Result {
  name: string;
  type: 'string' | 'array' | 'object';
  value: ParamValue;
}

export interface StepState {
  name: string;
  container: string;
  imageID?: string;
  results?: Result[];
  terminationReason?: string;
  running?: { startedAt: string };
  waiting?: { reason?: string; message?: string };
  terminated?: {
    exitCode: number;
    reason?: string;
    message?: string;
    startedAt?: string;
    finishedAt?: string;
    containerID?: string;
  };
}

export interface TaskRunStatus {
  observedGeneration?: number;
  conditions?: Condition[];
  podName?: string;
  startTime?: string;
  completionTime?: string;
  steps?: StepState[];
  sidecars?: {
    name: string;
    container: string;
    imageID?: string;
    running?: object;
    terminated?: object;
    waiting?: object;
  }[];
  results?: Result[];
  taskSpec?: TaskSpec;
  retriesStatus?: TaskRunStatus[];
  /** The earlier run that its outcome was taken from. */
  reusedFrom?: { taskRun: string; run: string };
  provenance?: Provenance;
}

export interface Provenance {
  refSource?: { uri?: string; digest?: Record<string, string>; entryPoint?: string };
  featureFlags?: object;
}

export interface TaskRun extends KubeObject {
  spec: TaskRunSpec;
  status?: TaskRunStatus;
}

export interface Task extends KubeObject {
  spec: TaskSpec;
}

export interface Matrix {
  params?: Param[];
  include?: { name?: string; params?: Param[] }[];
}

export interface PipelineTask {
  name: string;
  displayName?: string;
  description?: string;
  taskRef?: TaskRef;
  taskSpec?: TaskSpec & {
    metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
    apiVersion?: string;
    kind?: string;
    spec?: object;
  };
  when?: WhenExpression[];
  retries?: number;
  runAfter?: string[];
  params?: Param[];
  matrix?: Matrix;
  workspaces?: { name: string; workspace?: string; subPath?: string }[];
  timeout?: string;
  onError?: 'continue' | 'stopAndFail';
}

export interface PipelineSpec {
  displayName?: string;
  description?: string;
  params?: ParamSpec[];
  tasks?: PipelineTask[];
  finally?: PipelineTask[];
  workspaces?: WorkspaceDeclaration[];
  results?: { name: string; type?: string; description?: string; value: ParamValue }[];
}

export interface Pipeline extends KubeObject {
  spec: PipelineSpec;
}

export interface PipelineRunSpec {
  pipelineRef?: ResolverRef & { name?: string; apiVersion?: string };
  pipelineSpec?: PipelineSpec;
  /** Some write it like this, and Tekton takes no notice. */
  PipelineSpec?: PipelineSpec;
  params?: Param[];
  status?: string;
  timeouts?: { pipeline?: string; tasks?: string; finally?: string };
  taskRunTemplate?: { serviceAccountName?: string; podTemplate?: PodTemplate };
  workspaces?: WorkspaceBinding[];
  taskRunSpecs?: {
    pipelineTaskName: string;
    serviceAccountName?: string;
    podTemplate?: PodTemplate;
    stepSpecs?: TaskRunSpec['stepSpecs'];
    sidecarSpecs?: TaskRunSpec['sidecarSpecs'];
    computeResources?: Resources;
    metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
    timeout?: string;
  }[];
}

export interface ChildReference {
  apiVersion: string;
  kind: string;
  name: string;
  pipelineTaskName: string;
  displayName?: string;
  whenExpressions?: WhenExpression[];
}

export interface SkippedTask {
  name: string;
  reason: string;
  whenExpressions?: WhenExpression[];
}

export interface PipelineRunStatus {
  observedGeneration?: number;
  conditions?: Condition[];
  startTime?: string;
  completionTime?: string;
  finallyStartTime?: string;
  results?: { name: string; value: ParamValue }[];
  pipelineSpec?: PipelineSpec;
  childReferences?: ChildReference[];
  skippedTasks?: SkippedTask[];
  provenance?: Provenance;
}

export interface PipelineRun extends KubeObject {
  spec: PipelineRunSpec;
  status?: PipelineRunStatus;
}

export interface CustomRun extends KubeObject {
  spec: {
    customRef?: TaskRef;
    customSpec?: object;
    params?: Param[];
    retries?: number;
    status?: string;
    timeout?: string;
  };
  status?: { conditions?: Condition[]; results?: { name: string; value: ParamValue }[] };
}

export type { Condition, VolumeMount, WhenExpression };
