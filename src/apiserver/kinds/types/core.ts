/** core/v1 without pods. */
export const CORE_TYPES = `
Namespace # A scope for names and rights.
  metadata ObjectMeta
  spec NamespaceSpec
  status NamespaceStatus
NamespaceSpec
  finalizers [string]
NamespaceStatus
  phase string
  conditions [NamespaceCondition] map:type patch:type
NamespaceCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
ConfigMap # Configuration as keys and values.
  metadata ObjectMeta
  immutable bool # No change of the data once set.
  data {string} # Text by key.
  binaryData {bytes} # Bytes by key, in base64.
Secret # Confidential data, encrypted at rest.
  metadata ObjectMeta
  immutable bool
  data {bytes} # Values by key, in base64.
  stringData {string} # Values as text; written into data, never shown.
  type string =Opaque # What the secret is for.
ServiceAccount # An identity for programs.
  metadata ObjectMeta
  secrets [ObjectReference] map:name patch:name
  imagePullSecrets [LocalObjectReference]
  automountServiceAccountToken bool
ObjectReference atomic
  kind string
  namespace string
  name string
  uid string
  apiVersion string
  resourceVersion string
  fieldPath string
TypedLocalObjectReference atomic
  apiGroup string
  kind! string
  name! string
TypedObjectReference
  apiGroup string
  kind! string
  name! string
  namespace string
SecretReference atomic
  name string
  namespace string
Service # A name and an address for a set of pods.
  metadata ObjectMeta
  spec ServiceSpec
  status ServiceStatus
ServiceSpec
  ports [ServicePort] map:port,protocol patch:port # Ports that the service offers.
  selector {string} atomic # Labels of the pods behind it.
  clusterIP string # Virtual address; None for a headless service.
  clusterIPs [string]
  type string in:ExternalName|ClusterIP|NodePort|LoadBalancer =ClusterIP
  externalIPs [string]
  sessionAffinity string in:None|ClientIP =None
  loadBalancerIP string
  loadBalancerSourceRanges [string]
  externalName string
  externalTrafficPolicy string in:Cluster|Local
  healthCheckNodePort int
  publishNotReadyAddresses bool
  sessionAffinityConfig SessionAffinityConfig
  ipFamilies [string]
  ipFamilyPolicy string
  allocateLoadBalancerNodePorts bool
  loadBalancerClass string
  internalTrafficPolicy string in:Cluster|Local
  trafficDistribution string
ServicePort
  name string
  protocol string in:TCP|UDP|SCTP =TCP
  appProtocol string
  port! int min:1 max:65535
  targetPort IntOrString
  nodePort int min:0 max:65535
SessionAffinityConfig
  clientIP ClientIPConfig
ClientIPConfig
  timeoutSeconds int
ServiceStatus
  loadBalancer LoadBalancerStatus
  conditions [Condition] map:type patch:type
LoadBalancerStatus
  ingress [LoadBalancerIngress]
LoadBalancerIngress
  ip string
  hostname string
  ipMode string
  ports [PortStatus]
PortStatus
  port! int
  protocol! string
  error string
Endpoints # Addresses behind a service; EndpointSlice is the newer form.
  metadata ObjectMeta
  subsets [EndpointSubset]
EndpointSubset
  addresses [EndpointAddress]
  notReadyAddresses [EndpointAddress]
  ports [EndpointPort]
EndpointAddress atomic
  ip! string
  hostname string
  nodeName string
  targetRef ObjectReference
EndpointPort atomic
  name string
  port! int
  protocol string =TCP
  appProtocol string
Event # Something that happened to an object.
  metadata! ObjectMeta
  involvedObject! ObjectReference
  reason string
  message string
  source EventSource ={}
  firstTimestamp Time
  lastTimestamp Time
  count int
  type string
  eventTime MicroTime
  series EventSeries
  action string
  related ObjectReference
  reportingComponent string =""
  reportingInstance string =""
EventSource
  component string
  host string
EventSeries
  count int
  lastObservedTime MicroTime
Node # A machine, or a part of one, that runs pods.
  metadata ObjectMeta
  spec NodeSpec
  status NodeStatus
NodeSpec
  podCIDR string
  podCIDRs [string] set patch
  providerID string
  unschedulable bool # No new pods.
  taints [Taint]
  configSource any
  externalID string
Taint
  key! string
  value string
  effect! string in:NoSchedule|PreferNoSchedule|NoExecute
  timeAdded Time
NodeStatus
  capacity {Quantity}
  allocatable {Quantity}
  phase string
  conditions [NodeCondition] map:type patch:type
  addresses [NodeAddress] map:type patch:type
  daemonEndpoints NodeDaemonEndpoints
  nodeInfo NodeSystemInfo
  images [ContainerImage]
  volumesInUse [string]
  volumesAttached [AttachedVolume]
  config any
  runtimeHandlers [any]
  features any
NodeCondition
  type! string
  status! string
  lastHeartbeatTime Time
  lastTransitionTime Time
  reason string
  message string
NodeAddress
  type! string
  address! string
NodeDaemonEndpoints
  kubeletEndpoint DaemonEndpoint
DaemonEndpoint
  Port! int
NodeSystemInfo
  machineID! string
  systemUUID! string
  bootID! string
  kernelVersion! string
  osImage! string
  containerRuntimeVersion! string
  kubeletVersion! string
  kubeProxyVersion string
  operatingSystem! string
  architecture! string
  swap any
ContainerImage
  names [string]
  sizeBytes long
AttachedVolume
  name! string
  devicePath! string
PersistentVolume # Storage that a claim can bind.
  metadata ObjectMeta
  spec PersistentVolumeSpec
  status PersistentVolumeStatus
PersistentVolumeSpec
  capacity {Quantity}
  hostPath HostPathVolumeSource
  local LocalVolumeSource
  nfs NFSVolumeSource
  csi CSIPersistentVolumeSource
  fc FCVolumeSource
  iscsi ISCSIPersistentVolumeSource
  gcePersistentDisk GCEPersistentDiskVolumeSource
  awsElasticBlockStore AWSElasticBlockStoreVolumeSource
  accessModes [string]
  claimRef ObjectReference
  persistentVolumeReclaimPolicy string in:Retain|Delete|Recycle =Retain
  storageClassName string
  mountOptions [string]
  volumeMode string in:Filesystem|Block =Filesystem
  nodeAffinity VolumeNodeAffinity
  volumeAttributesClassName string
LocalVolumeSource
  path! string
  fsType string
CSIPersistentVolumeSource
  driver! string
  volumeHandle! string
  readOnly bool
  fsType string
  volumeAttributes {string}
  controllerPublishSecretRef SecretReference
  nodeStageSecretRef SecretReference
  nodePublishSecretRef SecretReference
  controllerExpandSecretRef SecretReference
  nodeExpandSecretRef SecretReference
ISCSIPersistentVolumeSource
  targetPortal! string
  iqn! string
  lun! int
  iscsiInterface string =default
  fsType string
  readOnly bool
  portals [string]
  chapAuthDiscovery bool
  chapAuthSession bool
  secretRef SecretReference
  initiatorName string
VolumeNodeAffinity
  required NodeSelector
PersistentVolumeStatus
  phase string
  message string
  reason string
  lastPhaseTransitionTime Time
PersistentVolumeClaim # A request for storage.
  metadata ObjectMeta
  spec PersistentVolumeClaimSpec
  status PersistentVolumeClaimStatus
PersistentVolumeClaimSpec
  accessModes [string]
  selector LabelSelector
  resources VolumeResourceRequirements
  volumeName string
  storageClassName string
  volumeMode string in:Filesystem|Block =Filesystem
  dataSource TypedLocalObjectReference
  dataSourceRef TypedObjectReference
  volumeAttributesClassName string
VolumeResourceRequirements
  limits {Quantity}
  requests {Quantity}
PersistentVolumeClaimStatus
  phase string
  accessModes [string]
  capacity {Quantity}
  conditions [PersistentVolumeClaimCondition] map:type patch:type
  allocatedResources {Quantity}
  allocatedResourceStatuses {string}
  currentVolumeAttributesClassName string
  modifyVolumeStatus any
PersistentVolumeClaimCondition
  type! string
  status! string
  lastProbeTime Time
  lastTransitionTime Time
  reason string
  message string
ReplicationController # Keeps a number of pods running; Deployment is the newer form.
  metadata ObjectMeta
  spec ReplicationControllerSpec
  status ReplicationControllerStatus
ReplicationControllerSpec
  replicas int =1 min:0
  minReadySeconds int
  selector {string} atomic
  template PodTemplateSpec
ReplicationControllerStatus
  replicas! int
  fullyLabeledReplicas int
  readyReplicas int
  availableReplicas int
  observedGeneration long
  conditions [ReplicationControllerCondition] map:type patch:type
ReplicationControllerCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
LimitRange # Defaults and bounds for what pods of the namespace ask for.
  metadata ObjectMeta
  spec LimitRangeSpec
LimitRangeSpec
  limits! [LimitRangeItem]
LimitRangeItem
  type! string
  max {Quantity}
  min {Quantity}
  default {Quantity}
  defaultRequest {Quantity}
  maxLimitRequestRatio {Quantity}
ResourceQuota # The most that a namespace may hold.
  metadata ObjectMeta
  spec ResourceQuotaSpec
  status ResourceQuotaStatus
ResourceQuotaSpec
  hard {Quantity}
  scopes [string]
  scopeSelector ScopeSelector
ScopeSelector atomic
  matchExpressions [ScopedResourceSelectorRequirement]
ScopedResourceSelectorRequirement
  scopeName! string
  operator! string
  values [string]
ResourceQuotaStatus
  hard {Quantity}
  used {Quantity}
ComponentStatus
  metadata ObjectMeta
  conditions [ComponentCondition] map:type patch:type
ComponentCondition
  type! string
  status! string
  message string
  error string
Binding # Puts a pod on a node.
  metadata ObjectMeta
  target! ObjectReference
`;
