/**
 * The types of a Dispatchfile, in a notation of their own: one table checks files of every language, finds
 * misspelt fields, and makes the typed values of Starlark.
 *
 * `string`, `int`, `bool`, `quantity`, `intOrString`, `any` are values; `[X]` is a list and `{X}` a map of X; `+X`
 * is a type whose fields lie in the object around it. In Starlark, and only there, such a type is a field.
 */
export type FieldType = string;
export type TypeTable = Readonly<Record<string, Readonly<Record<string, FieldType>>>>;

function strings(...names: string[]): Record<string, FieldType> {
  return Object.fromEntries(names.map((name) => [name, 'string']));
}

export const CORE_TYPES: TypeTable = {
  Capabilities: { add: '[string]', drop: '[string]' },
  ConfigMapEnvSource: { localObjectReference: '+LocalObjectReference', optional: 'bool' },
  ConfigMapKeySelector: { localObjectReference: '+LocalObjectReference', key: 'string', optional: 'bool' },
  ConfigMapProjection: {
    localObjectReference: '+LocalObjectReference',
    items: '[KeyToPath]',
    optional: 'bool',
  },
  ConfigMapVolumeSource: {
    localObjectReference: '+LocalObjectReference',
    items: '[KeyToPath]',
    defaultMode: 'int',
    optional: 'bool',
  },
  Container: {
    ...strings(
      'name',
      'image',
      'workingDir',
      'imagePullPolicy',
      'terminationMessagePath',
      'terminationMessagePolicy',
    ),
    ...strings('restartPolicy', 'script', 'onError', 'timeout'),
    command: '[string]',
    args: '[string]',
    ports: '[ContainerPort]',
    env: '[EnvVar]',
    envFrom: '[EnvFromSource]',
    resources: 'ResourceRequirements',
    volumeMounts: '[VolumeMount]',
    volumeDevices: '[VolumeDevice]',
    livenessProbe: 'Probe',
    readinessProbe: 'Probe',
    startupProbe: 'Probe',
    lifecycle: 'Lifecycle',
    securityContext: 'SecurityContext',
    stdin: 'bool',
    stdinOnce: 'bool',
    tty: 'bool',
  },
  ContainerPort: {
    name: 'string',
    hostPort: 'int',
    containerPort: 'int',
    protocol: 'string',
    hostIP: 'string',
  },
  CSIVolumeSource: {
    driver: 'string',
    readOnly: 'bool',
    fsType: 'string',
    volumeAttributes: '{string}',
    nodePublishSecretRef: 'LocalObjectReference',
  },
  DownwardAPIProjection: { items: '[DownwardAPIVolumeFile]' },
  DownwardAPIVolumeFile: {
    path: 'string',
    fieldRef: 'ObjectFieldSelector',
    resourceFieldRef: 'ResourceFieldSelector',
    mode: 'int',
  },
  DownwardAPIVolumeSource: { items: '[DownwardAPIVolumeFile]', defaultMode: 'int' },
  EmptyDirVolumeSource: { medium: 'string', sizeLimit: 'quantity' },
  EnvFromSource: { prefix: 'string', configMapRef: 'ConfigMapEnvSource', secretRef: 'SecretEnvSource' },
  EnvVar: { name: 'string', value: 'string', valueFrom: 'EnvVarSource' },
  EnvVarSource: {
    fieldRef: 'ObjectFieldSelector',
    resourceFieldRef: 'ResourceFieldSelector',
    configMapKeyRef: 'ConfigMapKeySelector',
    secretKeyRef: 'SecretKeySelector',
  },
  ExecAction: { command: '[string]' },
  GRPCAction: { port: 'int', service: 'string' },
  Handler: { exec: 'ExecAction', httpGet: 'HTTPGetAction', tcpSocket: 'TCPSocketAction', grpc: 'GRPCAction' },
  HostPathVolumeSource: strings('path', 'type'),
  HTTPGetAction: {
    path: 'string',
    port: 'intOrString',
    host: 'string',
    scheme: 'string',
    httpHeaders: '[HTTPHeader]',
  },
  HTTPHeader: strings('name', 'value'),
  KeyToPath: { key: 'string', path: 'string', mode: 'int' },
  Lifecycle: { postStart: 'Handler', preStop: 'Handler' },
  LocalObjectReference: { name: 'string' },
  NFSVolumeSource: { server: 'string', path: 'string', readOnly: 'bool' },
  ObjectFieldSelector: strings('apiVersion', 'fieldPath'),
  PersistentVolumeClaimVolumeSource: { claimName: 'string', readOnly: 'bool' },
  Probe: {
    handler: '+Handler',
    initialDelaySeconds: 'int',
    timeoutSeconds: 'int',
    periodSeconds: 'int',
    successThreshold: 'int',
    failureThreshold: 'int',
    terminationGracePeriodSeconds: 'int',
  },
  ProjectedVolumeSource: { sources: '[VolumeProjection]', defaultMode: 'int' },
  ResourceFieldSelector: { containerName: 'string', resource: 'string', divisor: 'quantity' },
  ResourceRequirements: { limits: '{quantity}', requests: '{quantity}' },
  SeccompProfile: strings('type', 'localhostProfile'),
  SecretEnvSource: { localObjectReference: '+LocalObjectReference', optional: 'bool' },
  SecretKeySelector: { localObjectReference: '+LocalObjectReference', key: 'string', optional: 'bool' },
  SecretProjection: { localObjectReference: '+LocalObjectReference', items: '[KeyToPath]', optional: 'bool' },
  SecretVolumeSource: { secretName: 'string', items: '[KeyToPath]', defaultMode: 'int', optional: 'bool' },
  SecurityContext: {
    capabilities: 'Capabilities',
    privileged: 'bool',
    seLinuxOptions: 'SELinuxOptions',
    runAsUser: 'int',
    runAsGroup: 'int',
    runAsNonRoot: 'bool',
    readOnlyRootFilesystem: 'bool',
    allowPrivilegeEscalation: 'bool',
    procMount: 'string',
    seccompProfile: 'SeccompProfile',
  },
  SELinuxOptions: strings('user', 'role', 'type', 'level'),
  ServiceAccountTokenProjection: { audience: 'string', expirationSeconds: 'int', path: 'string' },
  TCPSocketAction: { port: 'intOrString', host: 'string' },
  Toleration: { ...strings('key', 'operator', 'value', 'effect'), tolerationSeconds: 'int' },
  Volume: { name: 'string', volumeSource: '+VolumeSource' },
  VolumeDevice: strings('name', 'devicePath'),
  VolumeMount: {
    ...strings('name', 'mountPath', 'subPath', 'subPathExpr', 'mountPropagation'),
    readOnly: 'bool',
  },
  VolumeProjection: {
    secret: 'SecretProjection',
    configMap: 'ConfigMapProjection',
    downwardAPI: 'DownwardAPIProjection',
    serviceAccountToken: 'ServiceAccountTokenProjection',
  },
  VolumeSource: {
    emptyDir: 'EmptyDirVolumeSource',
    hostPath: 'HostPathVolumeSource',
    secret: 'SecretVolumeSource',
    configMap: 'ConfigMapVolumeSource',
    persistentVolumeClaim: 'PersistentVolumeClaimVolumeSource',
    projected: 'ProjectedVolumeSource',
    downwardAPI: 'DownwardAPIVolumeSource',
    nfs: 'NFSVolumeSource',
    csi: 'CSIVolumeSource',
  },
};

export const META_TYPES: TypeTable = {
  LabelSelector: { matchLabels: '{string}', matchExpressions: '[LabelSelectorRequirement]' },
  LabelSelectorRequirement: { key: 'string', operator: 'string', values: '[string]' },
  ObjectMeta: {
    ...strings('name', 'generateName', 'namespace'),
    labels: '{string}',
    annotations: '{string}',
  },
};

export const PIPELINE_TYPES: TypeTable = {
  Pipeline: { resource: '{Resource}', task: '{Task}', actions: '[Action]' },
  Resource: { type: 'string', param: '{string}', params: '{string}', secrets: '{SecretKeySelector}' },
  Task: {
    inputs: '[string]',
    outputs: '[string]',
    deps: '[string]',
    steps: '[Container]',
    sidecars: '[Container]',
    volumes: '[Volume]',
    timeout: 'string',
    retries: 'int',
    when: '[WhenExpression]',
    matrix: '{[string]}',
    cache: 'TaskCache',
    metadata: 'TaskMetadata',
  },
  TaskCache: { key: '[string]', paths: '[string]' },
  TaskMetadata: { labels: '{string}', annotations: '{string}' },
  WhenExpression: { input: 'string', operator: 'string', values: '[string]', cel: 'string' },
  Action: { name: 'string', tasks: '[string]', on: 'Condition' },
  Condition: {
    git: 'GitCondition',
    cron: 'CronCondition',
    image: 'ImageCondition',
    push: 'GitPushCondition',
    tag: 'GitTagCondition',
    pull_request: 'GitPullRequestCondition',
    release: 'GitReleaseCondition',
  },
  GitCondition: {
    push: 'GitPushCondition',
    tag: 'GitTagCondition',
    pull_request: 'GitPullRequestCondition',
    release: 'GitReleaseCondition',
  },
  GitPushCondition: { branches: '[string]', paths: '[string]' },
  GitTagCondition: { names: '[string]' },
  GitReleaseCondition: { tags: '[string]' },
  GitPullRequestCondition: {
    branches: '[string]',
    paths: '[string]',
    chatops: '[string]',
    sources: '[string]',
    targets: '[string]',
    labels: '[string]',
  },
  CronCondition: { schedule: 'string', revision: 'string', git: 'GitCronConfig' },
  GitCronConfig: { schedule: 'string', revision: 'string' },
  ImageCondition: { push: 'ImagePushCondition' },
  ImagePushCondition: { tags: '[string]' },
};

/** Older names of the same types. */
export const PIPELINE_ALIASES: Readonly<Record<string, string>> = {
  PushCondition: 'GitPushCondition',
  TagCondition: 'GitTagCondition',
  PullRequestCondition: 'GitPullRequestCondition',
  ReleaseCondition: 'GitReleaseCondition',
};

export const TYPES: TypeTable = { ...CORE_TYPES, ...META_TYPES, ...PIPELINE_TYPES };

/** The fields of a type as files write them: those of embedded types lie beside the others. */
export function fieldsOf(type: string): Record<string, FieldType> {
  const fields: Record<string, FieldType> = {};
  for (const [name, field] of Object.entries(TYPES[type] ?? {})) {
    if (field.startsWith('+')) Object.assign(fields, fieldsOf(field.slice(1)));
    else fields[name] = field;
  }
  return fields;
}
