export const APPS_V1_TYPES = `
Deployment # Keeps a set of equal pods running and rolls out changes.
  metadata ObjectMeta
  spec DeploymentSpec
  status DeploymentStatus
DeploymentSpec
  replicas int =1 min:0 # Number of pods.
  selector! LabelSelector # Labels of the pods that belong to it.
  template! PodTemplateSpec # What the pods look like.
  strategy DeploymentStrategy ={} retainKeys # How old pods are replaced by new ones.
  minReadySeconds int min:0
  revisionHistoryLimit int =10 min:0
  paused bool # No rollout while true.
  progressDeadlineSeconds int =600 min:0
DeploymentStrategy
  type string in:Recreate|RollingUpdate =RollingUpdate
  rollingUpdate RollingUpdateDeployment
RollingUpdateDeployment
  maxUnavailable IntOrString
  maxSurge IntOrString
DeploymentStatus
  observedGeneration long
  replicas int
  updatedReplicas int
  readyReplicas int
  availableReplicas int
  unavailableReplicas int
  terminatingReplicas int
  conditions [DeploymentCondition] map:type patch:type
  collisionCount int
DeploymentCondition
  type! string
  status! string
  lastUpdateTime Time
  lastTransitionTime Time
  reason string
  message string
ReplicaSet # Keeps a number of equal pods running.
  metadata ObjectMeta
  spec ReplicaSetSpec
  status ReplicaSetStatus
ReplicaSetSpec
  replicas int =1 min:0
  minReadySeconds int min:0
  selector! LabelSelector
  template PodTemplateSpec
ReplicaSetStatus
  replicas! int
  fullyLabeledReplicas int
  readyReplicas int
  availableReplicas int
  terminatingReplicas int
  observedGeneration long
  conditions [ReplicaSetCondition] map:type patch:type
ReplicaSetCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
StatefulSet # Pods with stable names and storage.
  metadata ObjectMeta
  spec StatefulSetSpec
  status StatefulSetStatus
StatefulSetSpec
  replicas int =1 min:0
  selector! LabelSelector
  template! PodTemplateSpec
  volumeClaimTemplates [PersistentVolumeClaim]
  serviceName string
  podManagementPolicy string in:OrderedReady|Parallel =OrderedReady
  updateStrategy StatefulSetUpdateStrategy ={}
  revisionHistoryLimit int =10 min:0
  minReadySeconds int min:0
  persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy ={}
  ordinals StatefulSetOrdinals
StatefulSetUpdateStrategy
  type string in:RollingUpdate|OnDelete =RollingUpdate
  rollingUpdate RollingUpdateStatefulSetStrategy
RollingUpdateStatefulSetStrategy
  partition int =0 min:0
  maxUnavailable IntOrString
StatefulSetPersistentVolumeClaimRetentionPolicy
  whenDeleted string in:Retain|Delete =Retain
  whenScaled string in:Retain|Delete =Retain
StatefulSetOrdinals
  start! int
StatefulSetStatus
  observedGeneration long
  replicas! int
  readyReplicas int
  currentReplicas int
  updatedReplicas int
  currentRevision string
  updateRevision string
  collisionCount int
  conditions [StatefulSetCondition] map:type patch:type
  availableReplicas int
StatefulSetCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
DaemonSet # One pod on every matching node.
  metadata ObjectMeta
  spec DaemonSetSpec
  status DaemonSetStatus
DaemonSetSpec
  selector! LabelSelector
  template! PodTemplateSpec
  updateStrategy DaemonSetUpdateStrategy ={}
  minReadySeconds int min:0
  revisionHistoryLimit int =10 min:0
DaemonSetUpdateStrategy
  type string in:RollingUpdate|OnDelete =RollingUpdate
  rollingUpdate RollingUpdateDaemonSet
RollingUpdateDaemonSet
  maxUnavailable IntOrString
  maxSurge IntOrString
DaemonSetStatus
  currentNumberScheduled! int
  numberMisscheduled! int
  desiredNumberScheduled! int
  numberReady! int
  observedGeneration long
  updatedNumberScheduled int
  numberAvailable int
  numberUnavailable int
  collisionCount int
  conditions [DaemonSetCondition] map:type patch:type
DaemonSetCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
ControllerRevision # A snapshot of a controller's template.
  metadata ObjectMeta
  data RawExtension
  revision! long
`;

export const BATCH_V1_TYPES = `
Job # Runs pods until enough of them succeed.
  metadata ObjectMeta
  spec JobSpec
  status JobStatus
JobSpec
  parallelism int min:0 # Pods at a time.
  completions int min:0 # Pods that must succeed.
  activeDeadlineSeconds long
  podFailurePolicy PodFailurePolicy
  successPolicy SuccessPolicy
  backoffLimit int min:0
  backoffLimitPerIndex int
  maxFailedIndexes int
  selector LabelSelector
  manualSelector bool
  template! PodTemplateSpec
  ttlSecondsAfterFinished int min:0
  completionMode string in:NonIndexed|Indexed =NonIndexed
  suspend bool =false
  podReplacementPolicy string in:TerminatingOrFailed|Failed
  managedBy string
PodFailurePolicy
  rules! [PodFailurePolicyRule]
PodFailurePolicyRule
  action! string in:FailJob|FailIndex|Ignore|Count
  onExitCodes PodFailurePolicyOnExitCodesRequirement
  onPodConditions [PodFailurePolicyOnPodConditionsPattern]
PodFailurePolicyOnExitCodesRequirement
  containerName string
  operator! string in:In|NotIn
  values! [int] set
PodFailurePolicyOnPodConditionsPattern
  type! string
  status string =True
SuccessPolicy
  rules! [SuccessPolicyRule]
SuccessPolicyRule
  succeededIndexes string
  succeededCount int
JobStatus
  conditions [JobCondition] patch:type
  startTime Time
  completionTime Time
  active int
  succeeded int
  failed int
  terminating int
  completedIndexes string
  failedIndexes string
  uncountedTerminatedPods UncountedTerminatedPods
  ready int
UncountedTerminatedPods
  succeeded [string] set
  failed [string] set
JobCondition
  type! string
  status! string
  lastProbeTime Time
  lastTransitionTime Time
  reason string
  message string
JobTemplateSpec
  metadata ObjectMeta
  spec JobSpec
CronJob # Creates jobs on a schedule.
  metadata ObjectMeta
  spec CronJobSpec
  status CronJobStatus
CronJobSpec
  schedule! string # Cron expression.
  timeZone string # Name of the time zone of the schedule.
  startingDeadlineSeconds long
  concurrencyPolicy string in:Allow|Forbid|Replace =Allow
  suspend bool =false
  jobTemplate! JobTemplateSpec
  successfulJobsHistoryLimit int =3 min:0
  failedJobsHistoryLimit int =1 min:0
CronJobStatus
  active [ObjectReference]
  lastScheduleTime Time
  lastSuccessfulTime Time
`;

export const AUTOSCALING_V1_TYPES = `
HorizontalPodAutoscaler # Scales by load.
  metadata ObjectMeta
  spec HorizontalPodAutoscalerSpec
  status HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerSpec
  scaleTargetRef! CrossVersionObjectReference
  minReplicas int =1
  maxReplicas! int min:1
  targetCPUUtilizationPercentage int
HorizontalPodAutoscalerStatus
  observedGeneration long
  lastScaleTime Time
  currentReplicas! int
  desiredReplicas! int
  currentCPUUtilizationPercentage int
CrossVersionObjectReference atomic
  kind! string
  name! string
  apiVersion string
Scale # The number of replicas of a scalable object.
  metadata ObjectMeta
  spec ScaleSpec
  status ScaleStatus
ScaleSpec
  replicas int min:0
ScaleStatus
  replicas! int
  selector string
`;

export const AUTOSCALING_V2_TYPES = `
HorizontalPodAutoscaler # Scales by load.
  metadata ObjectMeta
  spec HorizontalPodAutoscalerSpec
  status HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerSpec
  scaleTargetRef! CrossVersionObjectReference
  minReplicas int =1
  maxReplicas! int min:1
  metrics [MetricSpec]
  behavior HorizontalPodAutoscalerBehavior
CrossVersionObjectReference
  kind! string
  name! string
  apiVersion string
MetricSpec
  type! string
  object ObjectMetricSource
  pods PodsMetricSource
  resource ResourceMetricSource
  containerResource ContainerResourceMetricSource
  external ExternalMetricSource
ObjectMetricSource
  describedObject! CrossVersionObjectReference
  target! MetricTarget
  metric! MetricIdentifier
PodsMetricSource
  metric! MetricIdentifier
  target! MetricTarget
ResourceMetricSource
  name! string
  target! MetricTarget
ContainerResourceMetricSource
  name! string
  target! MetricTarget
  container! string
ExternalMetricSource
  metric! MetricIdentifier
  target! MetricTarget
MetricIdentifier
  name! string
  selector LabelSelector
MetricTarget
  type! string
  value Quantity
  averageValue Quantity
  averageUtilization int
HorizontalPodAutoscalerBehavior
  scaleUp HPAScalingRules
  scaleDown HPAScalingRules
HPAScalingRules
  stabilizationWindowSeconds int
  selectPolicy string
  policies [HPAScalingPolicy]
  tolerance Quantity
HPAScalingPolicy
  type! string
  value! int
  periodSeconds! int
HorizontalPodAutoscalerStatus
  observedGeneration long
  lastScaleTime Time
  currentReplicas int
  desiredReplicas! int
  currentMetrics [MetricStatus]
  conditions [HorizontalPodAutoscalerCondition] map:type patch:type
HorizontalPodAutoscalerCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
MetricStatus
  type! string
  object ObjectMetricStatus
  pods PodsMetricStatus
  resource ResourceMetricStatus
  containerResource ContainerResourceMetricStatus
  external ExternalMetricStatus
ObjectMetricStatus
  metric! MetricIdentifier
  current! MetricValueStatus
  describedObject! CrossVersionObjectReference
PodsMetricStatus
  metric! MetricIdentifier
  current! MetricValueStatus
ResourceMetricStatus
  name! string
  current! MetricValueStatus
ContainerResourceMetricStatus
  name! string
  current! MetricValueStatus
  container! string
ExternalMetricStatus
  metric! MetricIdentifier
  current! MetricValueStatus
MetricValueStatus
  value Quantity
  averageValue Quantity
  averageUtilization int
`;
