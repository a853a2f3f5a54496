export const NETWORKING_V1_TYPES = `
Ingress # Routes HTTP from outside to services.
  metadata ObjectMeta
  spec IngressSpec
  status IngressStatus
IngressSpec
  ingressClassName string
  defaultBackend IngressBackend
  tls [IngressTLS]
  rules [IngressRule]
IngressBackend
  service IngressServiceBackend
  resource TypedLocalObjectReference
IngressServiceBackend
  name! string
  port ServiceBackendPort
ServiceBackendPort atomic
  name string
  number int
IngressTLS
  hosts [string]
  secretName string
IngressRule
  host string
  http HTTPIngressRuleValue
HTTPIngressRuleValue
  paths! [HTTPIngressPath]
HTTPIngressPath
  path string
  pathType! string in:Exact|Prefix|ImplementationSpecific
  backend! IngressBackend
IngressStatus
  loadBalancer IngressLoadBalancerStatus
IngressLoadBalancerStatus
  ingress [IngressLoadBalancerIngress]
IngressLoadBalancerIngress
  ip string
  hostname string
  ports [IngressPortStatus]
IngressPortStatus
  port! int
  protocol! string
  error string
IngressClass # A controller that serves ingresses.
  metadata ObjectMeta
  spec IngressClassSpec
IngressClassSpec
  controller string
  parameters IngressClassParametersReference
IngressClassParametersReference
  apiGroup string
  kind! string
  name! string
  scope string =Cluster
  namespace string
NetworkPolicy # Which traffic pods may have.
  metadata ObjectMeta
  spec NetworkPolicySpec
NetworkPolicySpec
  podSelector LabelSelector
  ingress [NetworkPolicyIngressRule]
  egress [NetworkPolicyEgressRule]
  policyTypes [string]
NetworkPolicyIngressRule
  ports [NetworkPolicyPort]
  from [NetworkPolicyPeer]
NetworkPolicyEgressRule
  ports [NetworkPolicyPort]
  to [NetworkPolicyPeer]
NetworkPolicyPort
  protocol string =TCP
  port IntOrString
  endPort int
NetworkPolicyPeer
  podSelector LabelSelector
  namespaceSelector LabelSelector
  ipBlock IPBlock
IPBlock
  cidr! string
  except [string]
`;

export const DISCOVERY_V1_TYPES = `
EndpointSlice # Addresses behind a service.
  metadata ObjectMeta
  addressType! string in:IPv4|IPv6|FQDN
  endpoints [Endpoint]
  ports [EndpointPort]
Endpoint
  addresses! [string] set
  conditions EndpointConditions
  hostname string
  targetRef ObjectReference
  deprecatedTopology {string}
  nodeName string
  zone string
  hints EndpointHints
EndpointConditions
  ready bool
  serving bool
  terminating bool
EndpointHints
  forZones [ForZone]
  forNodes [ForNode]
ForZone
  name! string
ForNode
  name! string
EndpointPort atomic
  name string =""
  protocol string =TCP
  port int
  appProtocol string
`;

export const POLICY_V1_TYPES = `
PodDisruptionBudget # How many pods of a set may be down on purpose.
  metadata ObjectMeta
  spec PodDisruptionBudgetSpec
  status PodDisruptionBudgetStatus
PodDisruptionBudgetSpec
  minAvailable IntOrString
  selector LabelSelector
  maxUnavailable IntOrString
  unhealthyPodEvictionPolicy string in:IfHealthyBudget|AlwaysAllow
PodDisruptionBudgetStatus
  observedGeneration long
  disruptedPods {Time}
  disruptionsAllowed! int
  currentHealthy! int
  desiredHealthy! int
  expectedPods! int
  conditions [Condition] map:type patch:type
Eviction # Asks a pod to leave its node.
  metadata ObjectMeta
  deleteOptions DeleteOptions
`;

export const COORDINATION_V1_TYPES = `
Lease # A claim that has to be renewed, for leader election.
  metadata ObjectMeta
  spec LeaseSpec
LeaseSpec
  holderIdentity string
  leaseDurationSeconds int
  acquireTime MicroTime
  renewTime MicroTime
  leaseTransitions int
  strategy string
  preferredHolder string
`;

export const EVENTS_V1_TYPES = `
Event # Something that happened to an object.
  metadata ObjectMeta
  eventTime MicroTime
  series EventSeries
  reportingController string
  reportingInstance string
  action string
  reason string
  regarding ObjectReference
  related ObjectReference
  note string
  type string
  deprecatedSource EventSource ={}
  deprecatedFirstTimestamp Time
  deprecatedLastTimestamp Time
  deprecatedCount int
EventSeries
  count! int
  lastObservedTime! MicroTime
`;

export const STORAGE_V1_TYPES = `
StorageClass # A kind of storage that claims can ask for.
  metadata ObjectMeta
  provisioner! string
  parameters {string}
  reclaimPolicy string in:Retain|Delete|Recycle =Delete
  mountOptions [string]
  allowVolumeExpansion bool
  volumeBindingMode string in:Immediate|WaitForFirstConsumer =Immediate
  allowedTopologies [TopologySelectorTerm]
TopologySelectorTerm atomic
  matchLabelExpressions [TopologySelectorLabelRequirement]
TopologySelectorLabelRequirement
  key! string
  values! [string]
`;

export const SCHEDULING_V1_TYPES = `
PriorityClass # How important pods are.
  metadata ObjectMeta
  value! int
  globalDefault bool
  description string
  preemptionPolicy string in:PreemptLowerPriority|Never =PreemptLowerPriority
`;
