/**
 * Protobuf field numbers of the built-in kinds, by OpenAPI prefix and type: `field=NUMBER`. A `*` marks fields
 * that are present even when they hold a zero value; `~Type` is a message whose fields belong to the object
 * around it. Names and shapes are those of the schemas.
 */
export const FIELD_NUMBERS: Record<string, string> = {
  'io.k8s.api.core.v1': `
Volume name=1 ~VolumeSource=2
VolumeSource hostPath=1* emptyDir=2* gcePersistentDisk=3* awsElasticBlockStore=4* gitRepo=5* secret=6* nfs=7* iscsi=8* glusterfs=9* persistentVolumeClaim=10* rbd=11* flexVolume=12* cinder=13* cephfs=14* flocker=15* downwardAPI=16* fc=17* azureFile=18* configMap=19* vsphereVolume=20* quobyte=21* azureDisk=22* photonPersistentDisk=23* portworxVolume=24* scaleIO=25* projected=26* storageos=27* csi=28* ephemeral=29* image=30*
PersistentVolumeClaimVolumeSource claimName=1 readOnly=2
PersistentVolumeSource gcePersistentDisk=1* awsElasticBlockStore=2* hostPath=3* glusterfs=4* nfs=5* rbd=6* iscsi=7* cinder=8* cephfs=9* fc=10* flocker=11* flexVolume=12* azureFile=13* vsphereVolume=14* quobyte=15* azureDisk=16* photonPersistentDisk=17* portworxVolume=18* scaleIO=19* local=20* storageos=21* csi=22*
PersistentVolume metadata=1 spec=2 status=3
PersistentVolumeSpec capacity=1 ~PersistentVolumeSource=2 accessModes=3 claimRef=4* persistentVolumeReclaimPolicy=5 storageClassName=6 mountOptions=7 volumeMode=8* nodeAffinity=9* volumeAttributesClassName=10*
VolumeNodeAffinity required=1*
PersistentVolumeStatus phase=1 message=2 reason=3 lastPhaseTransitionTime=4*
PersistentVolumeClaim metadata=1 spec=2 status=3
PersistentVolumeClaimSpec accessModes=1 resources=2 volumeName=3 selector=4* storageClassName=5* volumeMode=6* dataSource=7* dataSourceRef=8* volumeAttributesClassName=9*
TypedObjectReference apiGroup=1* kind=2 name=3 namespace=4*
PersistentVolumeClaimCondition type=1 status=2 lastProbeTime=3 lastTransitionTime=4 reason=5 message=6
PersistentVolumeClaimStatus phase=1 accessModes=2 capacity=3 conditions=4 allocatedResources=5 allocatedResourceStatuses=7 currentVolumeAttributesClassName=8* modifyVolumeStatus=9*
HostPathVolumeSource path=1 type=2*
EmptyDirVolumeSource medium=1 sizeLimit=2*
SecretReference name=1 namespace=2
GCEPersistentDiskVolumeSource pdName=1 fsType=2 partition=3 readOnly=4
AWSElasticBlockStoreVolumeSource volumeID=1 fsType=2 partition=3 readOnly=4
GitRepoVolumeSource repository=1 revision=2 directory=3
SecretVolumeSource secretName=1 items=2 defaultMode=3* optional=4*
SecretProjection ~LocalObjectReference=1 items=2 optional=4*
NFSVolumeSource server=1 path=2 readOnly=3
ISCSIVolumeSource targetPortal=1 iqn=2 lun=3 iscsiInterface=4 fsType=5 readOnly=6 portals=7 chapAuthDiscovery=8 secretRef=10* chapAuthSession=11 initiatorName=12*
ISCSIPersistentVolumeSource targetPortal=1 iqn=2 lun=3 iscsiInterface=4 fsType=5 readOnly=6 portals=7 chapAuthDiscovery=8 secretRef=10* chapAuthSession=11 initiatorName=12*
FCVolumeSource targetWWNs=1 lun=2* fsType=3 readOnly=4 wwids=5
ConfigMapVolumeSource ~LocalObjectReference=1 items=2 defaultMode=3* optional=4*
ConfigMapProjection ~LocalObjectReference=1 items=2 optional=4*
ServiceAccountTokenProjection audience=1 expirationSeconds=2* path=3
ClusterTrustBundleProjection name=1* signerName=2* labelSelector=3* path=4 optional=5*
ProjectedVolumeSource sources=1 defaultMode=2*
VolumeProjection secret=1* downwardAPI=2* configMap=3* serviceAccountToken=4* clusterTrustBundle=5* podCertificate=6*
KeyToPath key=1 path=2 mode=3*
LocalVolumeSource path=1 fsType=2*
CSIPersistentVolumeSource driver=1 volumeHandle=2 readOnly=3 fsType=4 volumeAttributes=5 controllerPublishSecretRef=6* nodeStageSecretRef=7* nodePublishSecretRef=8* controllerExpandSecretRef=9* nodeExpandSecretRef=10*
CSIVolumeSource driver=1 readOnly=2* fsType=3* volumeAttributes=4 nodePublishSecretRef=5*
EphemeralVolumeSource volumeClaimTemplate=1*
PersistentVolumeClaimTemplate metadata=1 spec=2
ContainerPort name=1 hostPort=2 containerPort=3 protocol=4 hostIP=5
VolumeMount name=1 readOnly=2 mountPath=3 subPath=4 mountPropagation=5* subPathExpr=6 recursiveReadOnly=7*
VolumeDevice name=1 devicePath=2
EnvVar name=1 value=2 valueFrom=3*
EnvVarSource fieldRef=1* resourceFieldRef=2* configMapKeyRef=3* secretKeyRef=4* fileKeyRef=5*
FileKeySelector volumeName=1 path=2 key=3 optional=4*
ObjectFieldSelector apiVersion=1 fieldPath=2
ResourceFieldSelector containerName=1 resource=2 divisor=3
ConfigMapKeySelector ~LocalObjectReference=1 key=2 optional=3*
SecretKeySelector ~LocalObjectReference=1 key=2 optional=3*
EnvFromSource prefix=1 configMapRef=2* secretRef=3*
ConfigMapEnvSource ~LocalObjectReference=1 optional=2*
SecretEnvSource ~LocalObjectReference=1 optional=2*
HTTPHeader name=1 value=2
HTTPGetAction path=1 port=2 host=3 scheme=4 httpHeaders=5
TCPSocketAction port=1 host=2
GRPCAction port=1 service=2*
ExecAction command=1
SleepAction seconds=1
Probe ~ProbeHandler=1 initialDelaySeconds=2 timeoutSeconds=3 periodSeconds=4 successThreshold=5 failureThreshold=6 terminationGracePeriodSeconds=7*
ContainerResizePolicy resourceName=1 restartPolicy=2
Capabilities add=1 drop=2
ResourceRequirements limits=1 requests=2 claims=3
VolumeResourceRequirements limits=1 requests=2
ResourceClaim name=1 request=2
Container name=1 image=2 command=3 args=4 workingDir=5 ports=6 env=7 resources=8 volumeMounts=9 livenessProbe=10* readinessProbe=11* lifecycle=12* terminationMessagePath=13 imagePullPolicy=14 securityContext=15* stdin=16 stdinOnce=17 tty=18 envFrom=19 terminationMessagePolicy=20 volumeDevices=21 startupProbe=22* resizePolicy=23 restartPolicy=24* restartPolicyRules=25
ProbeHandler exec=1* httpGet=2* tcpSocket=3* grpc=4*
LifecycleHandler exec=1* httpGet=2* tcpSocket=3* sleep=4*
Lifecycle postStart=1* preStop=2* stopSignal=3*
ContainerStateWaiting reason=1 message=2
ContainerStateRunning startedAt=1
ContainerStateTerminated exitCode=1 signal=2 reason=3 message=4 startedAt=5 finishedAt=6 containerID=7
ContainerState waiting=1* running=2* terminated=3*
ContainerStatus name=1 state=2 lastState=3 ready=4 restartCount=5 image=6 imageID=7 containerID=8 started=9* allocatedResources=10 resources=11* volumeMounts=12 user=13* allocatedResourcesStatus=14 stopSignal=15*
ContainerUser linux=1*
LinuxContainerUser uid=1 gid=2 supplementalGroups=3
PodCondition type=1 status=2 lastProbeTime=3 lastTransitionTime=4 reason=5 message=6 observedGeneration=7
VolumeMountStatus name=1 mountPath=2 readOnly=3 recursiveReadOnly=4*
ContainerRestartRule action=1 exitCodes=2*
ContainerRestartRuleOnExitCodes operator=1 values=2
NodeSelector nodeSelectorTerms=1
NodeSelectorTerm matchExpressions=1 matchFields=2
NodeSelectorRequirement key=1 operator=2 values=3
TopologySelectorTerm matchLabelExpressions=1
TopologySelectorLabelRequirement key=1 values=2
Affinity nodeAffinity=1* podAffinity=2* podAntiAffinity=3*
PodAffinity requiredDuringSchedulingIgnoredDuringExecution=1 preferredDuringSchedulingIgnoredDuringExecution=2
PodAntiAffinity requiredDuringSchedulingIgnoredDuringExecution=1 preferredDuringSchedulingIgnoredDuringExecution=2
WeightedPodAffinityTerm weight=1 podAffinityTerm=2
PodAffinityTerm labelSelector=1* namespaces=2 topologyKey=3 namespaceSelector=4* matchLabelKeys=5 mismatchLabelKeys=6
NodeAffinity requiredDuringSchedulingIgnoredDuringExecution=1* preferredDuringSchedulingIgnoredDuringExecution=2
PreferredSchedulingTerm weight=1 preference=2
Taint key=1 value=2 effect=3 timeAdded=4*
Toleration key=1 operator=2 value=3 effect=4 tolerationSeconds=5*
PodReadinessGate conditionType=1
PodSpec volumes=1 containers=2 restartPolicy=3 terminationGracePeriodSeconds=4* activeDeadlineSeconds=5* dnsPolicy=6 nodeSelector=7 serviceAccountName=8 serviceAccount=9 nodeName=10 hostNetwork=11 hostPID=12 hostIPC=13 securityContext=14* imagePullSecrets=15 hostname=16 subdomain=17 affinity=18* schedulerName=19 initContainers=20 automountServiceAccountToken=21* tolerations=22 hostAliases=23 priorityClassName=24 priority=25* dnsConfig=26* shareProcessNamespace=27* readinessGates=28 runtimeClassName=29* enableServiceLinks=30* preemptionPolicy=31* overhead=32 topologySpreadConstraints=33 ephemeralContainers=34 setHostnameAsFQDN=35* os=36* hostUsers=37* schedulingGates=38 resourceClaims=39 resources=40* hostnameOverride=41*
PodResourceClaim name=1 resourceClaimName=3* resourceClaimTemplateName=4*
PodResourceClaimStatus name=1 resourceClaimName=2*
PodOS name=1
PodSchedulingGate name=1
TopologySpreadConstraint maxSkew=1 topologyKey=2 whenUnsatisfiable=3 labelSelector=4* minDomains=5* nodeAffinityPolicy=6* nodeTaintsPolicy=7* matchLabelKeys=8
HostAlias ip=1 hostnames=2
PodSecurityContext seLinuxOptions=1* runAsUser=2* runAsNonRoot=3* supplementalGroups=4 fsGroup=5* runAsGroup=6* sysctls=7 windowsOptions=8* fsGroupChangePolicy=9* seccompProfile=10* appArmorProfile=11* supplementalGroupsPolicy=12* seLinuxChangePolicy=13*
SeccompProfile type=1 localhostProfile=2*
AppArmorProfile type=1 localhostProfile=2*
PodDNSConfig nameservers=1 searches=2 options=3
PodDNSConfigOption name=1 value=2*
PodIP ip=1
HostIP ip=1
EphemeralContainerCommon name=1 image=2 command=3 args=4 workingDir=5 ports=6 env=7 resources=8 volumeMounts=9 livenessProbe=10* readinessProbe=11* lifecycle=12* terminationMessagePath=13 imagePullPolicy=14 securityContext=15* stdin=16 stdinOnce=17 tty=18 envFrom=19 terminationMessagePolicy=20 volumeDevices=21 startupProbe=22* resizePolicy=23 restartPolicy=24* restartPolicyRules=25
EphemeralContainer ~EphemeralContainerCommon=1 targetContainerName=2
PodStatus phase=1 conditions=2 message=3 reason=4 hostIP=5 podIP=6 startTime=7* containerStatuses=8 qosClass=9 initContainerStatuses=10 nominatedNodeName=11 podIPs=12 ephemeralContainerStatuses=13 resize=14 resourceClaimStatuses=15 hostIPs=16 observedGeneration=17 extendedResourceClaimStatus=18*
Pod metadata=1 spec=2 status=3
PodTemplateSpec metadata=1 spec=2
PodTemplate metadata=1 template=2
ReplicationControllerSpec replicas=1* selector=2 template=3* minReadySeconds=4
ReplicationControllerStatus replicas=1 fullyLabeledReplicas=2 observedGeneration=3 readyReplicas=4 availableReplicas=5 conditions=6
ReplicationControllerCondition type=1 status=2 lastTransitionTime=3 reason=4 message=5
ReplicationController metadata=1 spec=2 status=3
SessionAffinityConfig clientIP=1*
ClientIPConfig timeoutSeconds=1*
ServiceStatus loadBalancer=1 conditions=2
LoadBalancerStatus ingress=1
LoadBalancerIngress ip=1 hostname=2 ipMode=3* ports=4
ServiceSpec ports=1 selector=2 clusterIP=3 type=4 externalIPs=5 sessionAffinity=7 loadBalancerIP=8 loadBalancerSourceRanges=9 externalName=10 externalTrafficPolicy=11 healthCheckNodePort=12 publishNotReadyAddresses=13 sessionAffinityConfig=14* ipFamilyPolicy=17* clusterIPs=18 ipFamilies=19 allocateLoadBalancerNodePorts=20* loadBalancerClass=21* internalTrafficPolicy=22* trafficDistribution=23*
ServicePort name=1 protocol=2 port=3 targetPort=4 nodePort=5 appProtocol=6*
Service metadata=1 spec=2 status=3
ServiceAccount metadata=1 secrets=2 imagePullSecrets=3 automountServiceAccountToken=4*
Endpoints metadata=1 subsets=2
EndpointSubset addresses=1 notReadyAddresses=2 ports=3
EndpointAddress ip=1 targetRef=2* hostname=3 nodeName=4*
EndpointPort name=1 port=2 protocol=3 appProtocol=4*
NodeSpec podCIDR=1 externalID=2 providerID=3 unschedulable=4 taints=5 configSource=6* podCIDRs=7
DaemonEndpoint Port=1
NodeDaemonEndpoints kubeletEndpoint=1
NodeSystemInfo machineID=1 systemUUID=2 bootID=3 kernelVersion=4 osImage=5 containerRuntimeVersion=6 kubeletVersion=7 kubeProxyVersion=8 operatingSystem=9 architecture=10 swap=11*
NodeStatus capacity=1 allocatable=2 phase=3 conditions=4 addresses=5 daemonEndpoints=6 nodeInfo=7 images=8 volumesInUse=9 volumesAttached=10 config=11* runtimeHandlers=12 features=13*
AttachedVolume name=1 devicePath=2
ContainerImage names=1 sizeBytes=2
NodeCondition type=1 status=2 lastHeartbeatTime=3 lastTransitionTime=4 reason=5 message=6
NodeAddress type=1 address=2
Node metadata=1 spec=2 status=3
NamespaceSpec finalizers=1
NamespaceStatus phase=1 conditions=2
NamespaceCondition type=1 status=2 lastTransitionTime=4 reason=5 message=6
Namespace metadata=1 spec=2 status=3
Binding metadata=1 target=2
Preconditions uid=1*
ObjectReference kind=1 namespace=2 name=3 uid=4 apiVersion=5 resourceVersion=6 fieldPath=7
LocalObjectReference name=1
TypedLocalObjectReference apiGroup=1* kind=2 name=3
EventSource component=1 host=2
Event metadata=1 involvedObject=2 reason=3 message=4 source=5 firstTimestamp=6 lastTimestamp=7 count=8 type=9 eventTime=10 series=11* action=12 related=13* reportingComponent=14 reportingInstance=15
EventSeries count=1 lastObservedTime=2
LimitRangeItem type=1 max=2 min=3 default=4 defaultRequest=5 maxLimitRequestRatio=6
LimitRangeSpec limits=1
LimitRange metadata=1 spec=2
ResourceQuotaSpec hard=1 scopes=2 scopeSelector=3*
ScopeSelector matchExpressions=1
ScopedResourceSelectorRequirement scopeName=1 operator=2 values=3
ResourceQuotaStatus hard=1 used=2
ResourceQuota metadata=1 spec=2 status=3
Secret metadata=1 data=2 type=3 stringData=4 immutable=5*
ConfigMap metadata=1 data=2 binaryData=3 immutable=4*
ComponentCondition type=1 status=2 message=3 error=4
ComponentStatus metadata=1 conditions=2
DownwardAPIVolumeSource items=1 defaultMode=2*
DownwardAPIVolumeFile path=1 fieldRef=2* resourceFieldRef=3* mode=4*
DownwardAPIProjection items=1
SecurityContext capabilities=1* privileged=2* seLinuxOptions=3* runAsUser=4* runAsNonRoot=5* readOnlyRootFilesystem=6* allowPrivilegeEscalation=7* runAsGroup=8* procMount=9* windowsOptions=10* seccompProfile=11* appArmorProfile=12*
SELinuxOptions user=1 role=2 type=3 level=4
WindowsSecurityContextOptions gmsaCredentialSpecName=1* gmsaCredentialSpec=2* runAsUserName=3* hostProcess=4*
Sysctl name=1 value=2
PortStatus port=1 protocol=2 error=3*
ImageVolumeSource reference=1 pullPolicy=2
`,
  'io.k8s.apimachinery.pkg.apis.meta.v1': `
ListMeta selfLink=1 resourceVersion=2 continue=3 remainingItemCount=4*
ObjectMeta name=1 generateName=2 namespace=3 selfLink=4 uid=5 resourceVersion=6 generation=7 creationTimestamp=8 deletionTimestamp=9* deletionGracePeriodSeconds=10* labels=11 annotations=12 ownerReferences=13 finalizers=14 managedFields=17
OwnerReference kind=1 name=3 uid=4 apiVersion=5 controller=6* blockOwnerDeletion=7*
DeleteOptions gracePeriodSeconds=1* preconditions=2* orphanDependents=3* propagationPolicy=4* dryRun=5 ignoreStoreReadErrorWithClusterBreakingPotential=6*
Preconditions uid=1* resourceVersion=2*
LabelSelector matchLabels=1 matchExpressions=2
LabelSelectorRequirement key=1 operator=2 values=3
FieldSelectorRequirement key=1 operator=2 values=3
ManagedFieldsEntry manager=1 operation=2 apiVersion=3 time=4* fieldsType=6 fieldsV1=7* subresource=8
Condition type=1 status=2 observedGeneration=3 lastTransitionTime=4 reason=5 message=6
`,
  'io.k8s.api.apps.v1': `
StatefulSet metadata=1 spec=2 status=3
StatefulSetUpdateStrategy type=1 rollingUpdate=2*
RollingUpdateStatefulSetStrategy partition=1* maxUnavailable=2*
StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted=1 whenScaled=2
StatefulSetOrdinals start=1
StatefulSetSpec replicas=1* selector=2* template=3 volumeClaimTemplates=4 serviceName=5 podManagementPolicy=6 updateStrategy=7 revisionHistoryLimit=8* minReadySeconds=9 persistentVolumeClaimRetentionPolicy=10* ordinals=11*
StatefulSetStatus observedGeneration=1 replicas=2 readyReplicas=3 currentReplicas=4 updatedReplicas=5 currentRevision=6 updateRevision=7 collisionCount=9* conditions=10 availableReplicas=11
StatefulSetCondition type=1 status=2 lastTransitionTime=3 reason=4 message=5
Deployment metadata=1 spec=2 status=3
DeploymentSpec replicas=1* selector=2* template=3 strategy=4 minReadySeconds=5 revisionHistoryLimit=6* paused=7 progressDeadlineSeconds=9*
DeploymentStrategy type=1 rollingUpdate=2*
RollingUpdateDeployment maxUnavailable=1* maxSurge=2*
DeploymentStatus observedGeneration=1 replicas=2 updatedReplicas=3 availableReplicas=4 unavailableReplicas=5 conditions=6 readyReplicas=7 collisionCount=8* terminatingReplicas=9*
DeploymentCondition type=1 status=2 reason=4 message=5 lastUpdateTime=6 lastTransitionTime=7
DaemonSetUpdateStrategy type=1 rollingUpdate=2*
RollingUpdateDaemonSet maxUnavailable=1* maxSurge=2*
DaemonSetSpec selector=1* template=2 updateStrategy=3 minReadySeconds=4 revisionHistoryLimit=6*
DaemonSetStatus currentNumberScheduled=1 numberMisscheduled=2 desiredNumberScheduled=3 numberReady=4 observedGeneration=5 updatedNumberScheduled=6 numberAvailable=7 numberUnavailable=8 collisionCount=9* conditions=10
DaemonSetCondition type=1 status=2 lastTransitionTime=3 reason=4 message=5
DaemonSet metadata=1 spec=2 status=3
ReplicaSet metadata=1 spec=2 status=3
ReplicaSetSpec replicas=1* selector=2* template=3 minReadySeconds=4
ReplicaSetStatus replicas=1 fullyLabeledReplicas=2 observedGeneration=3 readyReplicas=4 availableReplicas=5 conditions=6 terminatingReplicas=7*
ReplicaSetCondition type=1 status=2 lastTransitionTime=3 reason=4 message=5
ControllerRevision metadata=1 data=2 revision=3
`,
  'io.k8s.api.batch.v1': `
Job metadata=1 spec=2 status=3
PodFailurePolicyOnExitCodesRequirement containerName=1* operator=2 values=3
PodFailurePolicyOnPodConditionsPattern type=1 status=2
PodFailurePolicyRule action=1 onExitCodes=2* onPodConditions=3
PodFailurePolicy rules=1
SuccessPolicy rules=1
SuccessPolicyRule succeededIndexes=1* succeededCount=2*
JobSpec parallelism=1* completions=2* activeDeadlineSeconds=3* selector=4* manualSelector=5* template=6 backoffLimit=7* ttlSecondsAfterFinished=8* completionMode=9* suspend=10* podFailurePolicy=11* backoffLimitPerIndex=12* maxFailedIndexes=13* podReplacementPolicy=14* managedBy=15* successPolicy=16*
JobStatus conditions=1 startTime=2* completionTime=3* active=4 succeeded=5 failed=6 completedIndexes=7 uncountedTerminatedPods=8* ready=9* failedIndexes=10* terminating=11*
UncountedTerminatedPods succeeded=1 failed=2
JobCondition type=1 status=2 lastProbeTime=3 lastTransitionTime=4 reason=5 message=6
JobTemplateSpec metadata=1 spec=2
CronJob metadata=1 spec=2 status=3
CronJobSpec schedule=1 startingDeadlineSeconds=2* concurrencyPolicy=3 suspend=4* jobTemplate=5 successfulJobsHistoryLimit=6* failedJobsHistoryLimit=7* timeZone=8*
CronJobStatus active=1 lastScheduleTime=4* lastSuccessfulTime=5*
`,
  'io.k8s.api.autoscaling.v1': `
CrossVersionObjectReference kind=1 name=2 apiVersion=3
HorizontalPodAutoscalerSpec scaleTargetRef=1 minReplicas=2* maxReplicas=3 targetCPUUtilizationPercentage=4*
HorizontalPodAutoscalerStatus observedGeneration=1* lastScaleTime=2* currentReplicas=3 desiredReplicas=4 currentCPUUtilizationPercentage=5*
HorizontalPodAutoscaler metadata=1 spec=2 status=3
Scale metadata=1 spec=2 status=3
ScaleSpec replicas=1
ScaleStatus replicas=1 selector=2
MetricSpec type=1 object=2* pods=3* resource=4* external=5* containerResource=7*
ObjectMetricSource target=1 metricName=2 targetValue=3 selector=4* averageValue=5*
PodsMetricSource metricName=1 targetAverageValue=2 selector=3*
ResourceMetricSource name=1 targetAverageUtilization=2* targetAverageValue=3*
ContainerResourceMetricSource name=1 targetAverageUtilization=2* targetAverageValue=3* container=5
ExternalMetricSource metricName=1 metricSelector=2* targetValue=3* targetAverageValue=4*
MetricStatus type=1 object=2* pods=3* resource=4* external=5* containerResource=7*
HorizontalPodAutoscalerCondition type=1 status=2 lastTransitionTime=3 reason=4 message=5
ObjectMetricStatus target=1 metricName=2 currentValue=3 selector=4* averageValue=5*
PodsMetricStatus metricName=1 currentAverageValue=2 selector=3*
ResourceMetricStatus name=1 currentAverageUtilization=2* currentAverageValue=3
ContainerResourceMetricStatus name=1 currentAverageUtilization=2* currentAverageValue=3 container=4
ExternalMetricStatus metricName=1 metricSelector=2* currentValue=3 currentAverageValue=4*
`,
  'io.k8s.api.autoscaling.v2': `
HorizontalPodAutoscaler metadata=1 spec=2 status=3
HorizontalPodAutoscalerSpec scaleTargetRef=1 minReplicas=2* maxReplicas=3 metrics=4 behavior=5*
CrossVersionObjectReference kind=1 name=2 apiVersion=3
MetricSpec type=1 object=2* pods=3* resource=4* external=5* containerResource=7*
HorizontalPodAutoscalerBehavior scaleUp=1* scaleDown=2*
HPAScalingRules selectPolicy=1* policies=2 stabilizationWindowSeconds=3* tolerance=4*
HPAScalingPolicy type=1 value=2 periodSeconds=3
ObjectMetricSource describedObject=1 target=2 metric=3
PodsMetricSource metric=1 target=2
ResourceMetricSource name=1 target=2
ContainerResourceMetricSource name=1 target=2 container=3
ExternalMetricSource metric=1 target=2
MetricIdentifier name=1 selector=2*
MetricTarget type=1 value=2* averageValue=3* averageUtilization=4*
HorizontalPodAutoscalerStatus observedGeneration=1* lastScaleTime=2* currentReplicas=3 desiredReplicas=4 currentMetrics=5 conditions=6
HorizontalPodAutoscalerCondition type=1 status=2 lastTransitionTime=3 reason=4 message=5
MetricStatus type=1 object=2* pods=3* resource=4* external=5* containerResource=7*
ObjectMetricStatus metric=1 current=2 describedObject=3
PodsMetricStatus metric=1 current=2
ResourceMetricStatus name=1 current=2
ContainerResourceMetricStatus name=1 current=2 container=3
ExternalMetricStatus metric=1 current=2
MetricValueStatus value=1* averageValue=2* averageUtilization=3*
`,
  'io.k8s.api.networking.v1': `
NetworkPolicy metadata=1 spec=2
NetworkPolicySpec podSelector=1 ingress=2 egress=3 policyTypes=4
NetworkPolicyIngressRule ports=1 from=2
NetworkPolicyEgressRule ports=1 to=2
NetworkPolicyPort protocol=1* port=2* endPort=3*
IPBlock cidr=1 except=2
NetworkPolicyPeer podSelector=1* namespaceSelector=2* ipBlock=3*
Ingress metadata=1 spec=2 status=3
IngressSpec defaultBackend=1* tls=2 rules=3 ingressClassName=4*
IngressTLS hosts=1 secretName=2
IngressStatus loadBalancer=1
IngressLoadBalancerStatus ingress=1
IngressLoadBalancerIngress ip=1 hostname=2 ports=4
IngressPortStatus port=1 protocol=2 error=3*
IngressRule host=1 ~IngressRuleValue=2
HTTPIngressRuleValue paths=1
HTTPIngressPath path=1 backend=2 pathType=3*
IngressBackend resource=3* service=4*
IngressServiceBackend name=1 port=2
ServiceBackendPort name=1 number=2
IngressClass metadata=1 spec=2
IngressClassSpec controller=1 parameters=2*
IngressClassParametersReference apiGroup=1* kind=2 name=3 scope=4* namespace=5*
`,
  'io.k8s.api.discovery.v1': `
EndpointSlice metadata=1 endpoints=2 ports=3 addressType=4
Endpoint addresses=1 conditions=2 hostname=3* targetRef=4* deprecatedTopology=5 nodeName=6* zone=7* hints=8*
EndpointConditions ready=1* serving=2* terminating=3*
EndpointHints forZones=1 forNodes=2
ForZone name=1
ForNode name=1
EndpointPort name=1* protocol=2* port=3* appProtocol=4*
`,
  'io.k8s.api.policy.v1': `
PodDisruptionBudgetSpec minAvailable=1* selector=2* maxUnavailable=3* unhealthyPodEvictionPolicy=4*
PodDisruptionBudgetStatus observedGeneration=1 disruptedPods=2 disruptionsAllowed=3 currentHealthy=4 desiredHealthy=5 expectedPods=6 conditions=7
PodDisruptionBudget metadata=1 spec=2 status=3
Eviction metadata=1 deleteOptions=2*
`,
  'io.k8s.api.coordination.v1': `
Lease metadata=1 spec=2
LeaseSpec holderIdentity=1* leaseDurationSeconds=2* acquireTime=3* renewTime=4* leaseTransitions=5* strategy=6* preferredHolder=7*
`,
  'io.k8s.api.events.v1': `
Event metadata=1 eventTime=2 series=3* reportingController=4 reportingInstance=5 action=6 reason=7 regarding=8 related=9* note=10 type=11 deprecatedSource=12 deprecatedFirstTimestamp=13 deprecatedLastTimestamp=14 deprecatedCount=15
EventSeries count=1 lastObservedTime=2
`,
  'io.k8s.api.storage.v1': `
StorageClass metadata=1 provisioner=2 parameters=3 reclaimPolicy=4* mountOptions=5 allowVolumeExpansion=6* volumeBindingMode=7* allowedTopologies=8
TokenRequest audience=1 expirationSeconds=2*
`,
  'io.k8s.api.scheduling.v1': `
PriorityClass metadata=1 value=2 globalDefault=3 description=4 preemptionPolicy=5*
`,
  'io.k8s.api.rbac.v1': `
PolicyRule verbs=1 apiGroups=2 resources=3 resourceNames=4 nonResourceURLs=5
Subject kind=1 apiGroup=2 name=3 namespace=4
RoleRef apiGroup=1 kind=2 name=3
Role metadata=1 rules=2
RoleBinding metadata=1 subjects=2 roleRef=3
ClusterRole metadata=1 rules=2 aggregationRule=3*
AggregationRule clusterRoleSelectors=1
ClusterRoleBinding metadata=1 subjects=2 roleRef=3
`,
  'io.k8s.api.authentication.v1': `
TokenReview metadata=1 spec=2 status=3
TokenReviewSpec token=1 audiences=2
TokenReviewStatus authenticated=1 user=2 error=3 audiences=4
UserInfo username=1 uid=2 groups=3 extra=4
TokenRequest metadata=1 spec=2 status=3
TokenRequestSpec audiences=1 boundObjectRef=3* expirationSeconds=4*
TokenRequestStatus token=1 expirationTimestamp=2
BoundObjectReference kind=1 apiVersion=2 name=3 uid=4
SelfSubjectReview metadata=1 status=2
SelfSubjectReviewStatus userInfo=1
`,
  'io.k8s.api.authorization.v1': `
SubjectAccessReview metadata=1 spec=2 status=3
SelfSubjectAccessReview metadata=1 spec=2 status=3
LocalSubjectAccessReview metadata=1 spec=2 status=3
ResourceAttributes namespace=1 verb=2 group=3 version=4 resource=5 subresource=6 name=7 fieldSelector=8* labelSelector=9*
LabelSelectorAttributes rawSelector=1 requirements=2
FieldSelectorAttributes rawSelector=1 requirements=2
NonResourceAttributes path=1 verb=2
SubjectAccessReviewSpec resourceAttributes=1* nonResourceAttributes=2* user=3 groups=4 extra=5 uid=6
SelfSubjectAccessReviewSpec resourceAttributes=1* nonResourceAttributes=2*
SubjectAccessReviewStatus allowed=1 reason=2 evaluationError=3 denied=4
SelfSubjectRulesReview metadata=1 spec=2 status=3
SelfSubjectRulesReviewSpec namespace=1
SubjectRulesReviewStatus resourceRules=1 nonResourceRules=2 incomplete=3 evaluationError=4
ResourceRule verbs=1 apiGroups=2 resources=3 resourceNames=4
NonResourceRule verbs=1 nonResourceURLs=2
`,
  'io.k8s.api.admissionregistration.v1': `
ValidatingWebhookConfiguration metadata=1 webhooks=2
MutatingWebhookConfiguration metadata=1 webhooks=2
ValidatingWebhook name=1 clientConfig=2 rules=3 failurePolicy=4* namespaceSelector=5* sideEffects=6* timeoutSeconds=7* admissionReviewVersions=8 matchPolicy=9* objectSelector=10* matchConditions=11
MutatingWebhook name=1 clientConfig=2 rules=3 failurePolicy=4* namespaceSelector=5* sideEffects=6* timeoutSeconds=7* admissionReviewVersions=8 matchPolicy=9* reinvocationPolicy=10* objectSelector=11* matchConditions=12
RuleWithOperations operations=1 ~Rule=2
WebhookClientConfig service=1* caBundle=2 url=3*
ServiceReference namespace=1 name=2 path=3* port=4*
MatchCondition name=1 expression=2
`,
};
