/** core/v1: pods and what is inside them. */
export const POD_TYPES = `
Pod # A group of containers that run together on one node.
  metadata ObjectMeta
  spec PodSpec # What should run.
  status PodStatus # What was observed.
PodTemplate # A template of pods, stored as an object.
  metadata ObjectMeta
  template PodTemplateSpec
PodTemplateSpec # What pods made from this template look like.
  metadata ObjectMeta
  spec PodSpec
PodSpec # The desired state of a pod.
  volumes [Volume] map:name patch:name retainKeys # Storage that containers can mount.
  initContainers [Container] map:name patch:name # Run one after another before the containers.
  containers! [Container] map:name patch:name # The programs of the pod; at least one.
  ephemeralContainers [EphemeralContainer] map:name patch:name
  restartPolicy string in:Always|OnFailure|Never =Always # When ended containers start again.
  terminationGracePeriodSeconds long =30 # Seconds between asking to stop and killing.
  activeDeadlineSeconds long # Seconds after which the pod fails.
  dnsPolicy string in:ClusterFirst|ClusterFirstWithHostNet|Default|None =ClusterFirst
  nodeSelector {string} atomic # Labels that the node must have.
  serviceAccountName string # Identity of the pod in the API.
  serviceAccount string # Older name of serviceAccountName.
  automountServiceAccountToken bool
  nodeName string # The node that runs the pod.
  hostNetwork bool
  hostPID bool
  hostIPC bool
  hostUsers bool
  hostnameOverride string
  shareProcessNamespace bool
  securityContext PodSecurityContext ={} # Identity and rights for all containers.
  imagePullSecrets [LocalObjectReference] map:name patch:name # Secrets with registry credentials.
  hostname string
  subdomain string
  affinity Affinity # Rules for choosing a node.
  schedulerName string =default-scheduler
  tolerations [Toleration] # Taints of nodes that the pod accepts.
  hostAliases [HostAlias] map:ip patch:ip
  priorityClassName string
  priority int
  preemptionPolicy string in:PreemptLowerPriority|Never
  dnsConfig PodDNSConfig
  readinessGates [PodReadinessGate]
  runtimeClassName string
  enableServiceLinks bool
  overhead {Quantity}
  topologySpreadConstraints [TopologySpreadConstraint] map:topologyKey,whenUnsatisfiable patch:topologyKey
  setHostnameAsFQDN bool
  os PodOS
  schedulingGates [PodSchedulingGate] map:name patch:name
  resourceClaims [PodResourceClaim] map:name patch:name retainKeys
  resources ResourceRequirements
PodOS
  name! string
PodSchedulingGate
  name! string
PodResourceClaim
  name! string
  resourceClaimName string
  resourceClaimTemplateName string
PodReadinessGate
  conditionType! string
HostAlias
  ip! string
  hostnames [string]
PodDNSConfig
  nameservers [string]
  searches [string]
  options [PodDNSConfigOption]
PodDNSConfigOption
  name string
  value string
Container # A program of the pod.
  name! string # Name, unique in the pod.
  image string # Image to run.
  command [string] # Entry point; the image's own when absent.
  args [string] # Arguments of the entry point.
  workingDir string
  ports [ContainerPort] map:containerPort,protocol patch:containerPort # Ports it listens on.
  envFrom [EnvFromSource] # Whole ConfigMaps and Secrets as environment.
  env [EnvVar] map:name patch:name # Environment variables.
  resources ResourceRequirements ={} # What it needs and may use.
  resizePolicy [ContainerResizePolicy]
  restartPolicy string # Always makes an init container a sidecar.
  restartPolicyRules [ContainerRestartRule]
  volumeMounts [VolumeMount] map:mountPath patch:mountPath # Volumes in its file system.
  volumeDevices [VolumeDevice] map:devicePath patch:devicePath
  livenessProbe Probe # Restarts the container when it fails.
  readinessProbe Probe # Takes the pod out of services when it fails.
  startupProbe Probe # Holds the other probes back until it succeeds.
  lifecycle Lifecycle # Actions after start and before stop.
  terminationMessagePath string =/dev/termination-log
  terminationMessagePolicy string in:File|FallbackToLogsOnError =File
  imagePullPolicy string in:Always|IfNotPresent|Never # When the image is fetched.
  securityContext SecurityContext # Identity and rights of the container.
  stdin bool
  stdinOnce bool
  tty bool
EphemeralContainer # A container added to a running pod, for debugging.
  name! string
  image string
  command [string]
  args [string]
  workingDir string
  ports [ContainerPort] map:containerPort,protocol patch:containerPort
  envFrom [EnvFromSource]
  env [EnvVar] map:name patch:name
  resources ResourceRequirements ={}
  resizePolicy [ContainerResizePolicy]
  restartPolicy string
  restartPolicyRules [ContainerRestartRule]
  volumeMounts [VolumeMount] map:mountPath patch:mountPath
  volumeDevices [VolumeDevice] map:devicePath patch:devicePath
  livenessProbe Probe
  readinessProbe Probe
  startupProbe Probe
  lifecycle Lifecycle
  terminationMessagePath string =/dev/termination-log
  terminationMessagePolicy string in:File|FallbackToLogsOnError =File
  imagePullPolicy string in:Always|IfNotPresent|Never
  securityContext SecurityContext
  stdin bool
  stdinOnce bool
  tty bool
  targetContainerName string
ContainerResizePolicy
  resourceName! string
  restartPolicy! string
ContainerRestartRule
  action! string
  exitCodes ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes
  operator! string
  values [int] set
ContainerPort
  name string
  hostPort int min:0 max:65535
  containerPort! int min:1 max:65535
  protocol string in:TCP|UDP|SCTP =TCP
  hostIP string
EnvVar
  name! string
  value string
  valueFrom EnvVarSource
EnvVarSource
  fieldRef ObjectFieldSelector
  resourceFieldRef ResourceFieldSelector
  configMapKeyRef ConfigMapKeySelector
  secretKeyRef SecretKeySelector
  fileKeyRef FileKeySelector
FileKeySelector atomic
  volumeName! string
  path! string
  key! string
  optional bool
ObjectFieldSelector atomic
  apiVersion string =v1
  fieldPath! string
ResourceFieldSelector atomic
  containerName string
  resource! string
  divisor Quantity
ConfigMapKeySelector atomic
  name string
  key! string
  optional bool
SecretKeySelector atomic
  name string
  key! string
  optional bool
EnvFromSource
  prefix string
  configMapRef ConfigMapEnvSource
  secretRef SecretEnvSource
ConfigMapEnvSource
  name string
  optional bool
SecretEnvSource
  name string
  optional bool
ResourceRequirements
  limits {Quantity} # The most it may use.
  requests {Quantity} # What the scheduler sets aside.
  claims [ResourceClaim] map:name
ResourceClaim
  name! string
  request string
VolumeMount
  name! string
  readOnly bool
  recursiveReadOnly string
  mountPath! string
  subPath string
  subPathExpr string
  mountPropagation string in:None|HostToContainer|Bidirectional
VolumeDevice
  name! string
  devicePath! string
Probe
  exec ExecAction
  httpGet HTTPGetAction
  tcpSocket TCPSocketAction
  grpc GRPCAction
  initialDelaySeconds int min:0
  timeoutSeconds int =1 min:0
  periodSeconds int =10 min:0
  successThreshold int =1 min:0
  failureThreshold int =3 min:0
  terminationGracePeriodSeconds long
ExecAction
  command [string]
HTTPGetAction
  path string =/
  port! IntOrString
  host string
  scheme string =HTTP
  httpHeaders [HTTPHeader]
HTTPHeader
  name! string
  value! string
TCPSocketAction
  port! IntOrString
  host string
GRPCAction
  port! int
  service string =""
SleepAction
  seconds! long
Lifecycle
  postStart LifecycleHandler
  preStop LifecycleHandler
  stopSignal string
LifecycleHandler
  exec ExecAction
  httpGet HTTPGetAction
  tcpSocket TCPSocketAction
  sleep SleepAction
SecurityContext
  capabilities Capabilities
  privileged bool
  seLinuxOptions SELinuxOptions
  windowsOptions WindowsSecurityContextOptions
  runAsUser long
  runAsGroup long
  runAsNonRoot bool
  readOnlyRootFilesystem bool
  allowPrivilegeEscalation bool
  procMount string
  seccompProfile SeccompProfile
  appArmorProfile AppArmorProfile
Capabilities
  add [string]
  drop [string]
SELinuxOptions
  user string
  role string
  type string
  level string
WindowsSecurityContextOptions
  gmsaCredentialSpecName string
  gmsaCredentialSpec string
  runAsUserName string
  hostProcess bool
SeccompProfile
  type! string in:Unconfined|RuntimeDefault|Localhost
  localhostProfile string
AppArmorProfile
  type! string in:Unconfined|RuntimeDefault|Localhost
  localhostProfile string
PodSecurityContext
  seLinuxOptions SELinuxOptions
  windowsOptions WindowsSecurityContextOptions
  runAsUser long
  runAsGroup long
  runAsNonRoot bool
  supplementalGroups [long]
  supplementalGroupsPolicy string
  fsGroup long
  sysctls [Sysctl]
  fsGroupChangePolicy string
  seccompProfile SeccompProfile
  appArmorProfile AppArmorProfile
  seLinuxChangePolicy string
Sysctl
  name! string
  value! string
Affinity
  nodeAffinity NodeAffinity
  podAffinity PodAffinity
  podAntiAffinity PodAntiAffinity
NodeAffinity
  requiredDuringSchedulingIgnoredDuringExecution NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution [PreferredSchedulingTerm]
NodeSelector atomic
  nodeSelectorTerms! [NodeSelectorTerm]
NodeSelectorTerm atomic
  matchExpressions [NodeSelectorRequirement]
  matchFields [NodeSelectorRequirement]
NodeSelectorRequirement
  key! string
  operator! string in:In|NotIn|Exists|DoesNotExist|Gt|Lt
  values [string]
PreferredSchedulingTerm
  weight! int
  preference! NodeSelectorTerm
PodAffinity
  requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm]
PodAntiAffinity
  requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm]
PodAffinityTerm
  labelSelector LabelSelector
  namespaces [string]
  topologyKey! string
  namespaceSelector LabelSelector
  matchLabelKeys [string]
  mismatchLabelKeys [string]
WeightedPodAffinityTerm
  weight! int
  podAffinityTerm! PodAffinityTerm
Toleration
  key string
  operator string in:Exists|Equal
  value string
  effect string in:NoSchedule|PreferNoSchedule|NoExecute
  tolerationSeconds long
TopologySpreadConstraint
  maxSkew! int
  topologyKey! string
  whenUnsatisfiable! string in:DoNotSchedule|ScheduleAnyway
  labelSelector LabelSelector
  minDomains int
  nodeAffinityPolicy string
  nodeTaintsPolicy string
  matchLabelKeys [string]
LocalObjectReference atomic
  name string
PodStatus
  observedGeneration long
  phase string # Pending, Running, Succeeded, Failed or Unknown.
  conditions [PodCondition] map:type patch:type
  message string
  reason string
  nominatedNodeName string
  hostIP string
  hostIPs [HostIP] patch:ip
  podIP string
  podIPs [PodIP] map:ip patch:ip
  startTime Time
  initContainerStatuses [ContainerStatus]
  containerStatuses [ContainerStatus]
  qosClass string
  ephemeralContainerStatuses [ContainerStatus]
  resize string
  resourceClaimStatuses [PodResourceClaimStatus] map:name patch:name
HostIP
  ip! string
PodIP
  ip! string
PodResourceClaimStatus
  name! string
  resourceClaimName string
PodCondition
  type! string
  observedGeneration long
  status! string
  lastProbeTime Time
  lastTransitionTime Time
  reason string
  message string
ContainerStatus
  name! string
  state ContainerState
  lastState ContainerState
  ready! bool
  restartCount! int
  image! string
  imageID! string
  containerID string
  started bool
  allocatedResources {Quantity}
  resources ResourceRequirements
  volumeMounts [VolumeMountStatus] map:mountPath patch:mountPath
  user ContainerUser
  stopSignal string
VolumeMountStatus
  name! string
  mountPath! string
  readOnly bool
  recursiveReadOnly string
ContainerUser
  linux LinuxContainerUser
LinuxContainerUser
  uid! long
  gid! long
  supplementalGroups [long]
ContainerState
  waiting ContainerStateWaiting
  running ContainerStateRunning
  terminated ContainerStateTerminated
ContainerStateWaiting
  reason string
  message string
ContainerStateRunning
  startedAt Time
ContainerStateTerminated
  exitCode! int
  signal int
  reason string
  message string
  startedAt Time
  finishedAt Time
  containerID string
`;
