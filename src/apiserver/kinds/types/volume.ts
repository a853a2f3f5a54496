/** core/v1: where the files of a pod come from. */
export const VOLUME_TYPES = `
Volume
  name! string
  hostPath HostPathVolumeSource
  emptyDir EmptyDirVolumeSource
  gcePersistentDisk GCEPersistentDiskVolumeSource
  awsElasticBlockStore AWSElasticBlockStoreVolumeSource
  gitRepo GitRepoVolumeSource
  secret SecretVolumeSource
  nfs NFSVolumeSource
  iscsi ISCSIVolumeSource
  persistentVolumeClaim PersistentVolumeClaimVolumeSource
  downwardAPI DownwardAPIVolumeSource
  fc FCVolumeSource
  configMap ConfigMapVolumeSource
  projected ProjectedVolumeSource
  csi CSIVolumeSource
  ephemeral EphemeralVolumeSource
  image ImageVolumeSource
HostPathVolumeSource
  path! string
  type string =""
EmptyDirVolumeSource
  medium string
  sizeLimit Quantity
GCEPersistentDiskVolumeSource
  pdName! string
  fsType string
  partition int
  readOnly bool
AWSElasticBlockStoreVolumeSource
  volumeID! string
  fsType string
  partition int
  readOnly bool
GitRepoVolumeSource
  repository! string
  revision string
  directory string
SecretVolumeSource
  secretName string
  items [KeyToPath]
  defaultMode int =420
  optional bool
KeyToPath
  key! string
  path! string
  mode int
NFSVolumeSource
  server! string
  path! string
  readOnly bool
ISCSIVolumeSource
  targetPortal! string
  iqn! string
  lun! int
  iscsiInterface string =default
  fsType string
  readOnly bool
  portals [string]
  chapAuthDiscovery bool
  chapAuthSession bool
  secretRef LocalObjectReference
  initiatorName string
PersistentVolumeClaimVolumeSource
  claimName! string
  readOnly bool
DownwardAPIVolumeSource
  items [DownwardAPIVolumeFile]
  defaultMode int =420
DownwardAPIVolumeFile
  path! string
  fieldRef ObjectFieldSelector
  resourceFieldRef ResourceFieldSelector
  mode int
FCVolumeSource
  targetWWNs [string]
  lun int
  fsType string
  readOnly bool
  wwids [string]
ConfigMapVolumeSource
  name string
  items [KeyToPath]
  defaultMode int =420
  optional bool
ProjectedVolumeSource
  sources [VolumeProjection]
  defaultMode int =420
VolumeProjection
  secret SecretProjection
  downwardAPI DownwardAPIProjection
  configMap ConfigMapProjection
  serviceAccountToken ServiceAccountTokenProjection
  clusterTrustBundle ClusterTrustBundleProjection
SecretProjection
  name string
  items [KeyToPath]
  optional bool
ConfigMapProjection
  name string
  items [KeyToPath]
  optional bool
DownwardAPIProjection
  items [DownwardAPIVolumeFile]
ServiceAccountTokenProjection
  audience string
  expirationSeconds long =3600
  path! string
ClusterTrustBundleProjection
  name string
  signerName string
  labelSelector LabelSelector
  optional bool
  path! string
CSIVolumeSource
  driver! string
  readOnly bool
  fsType string
  volumeAttributes {string}
  nodePublishSecretRef LocalObjectReference
EphemeralVolumeSource
  volumeClaimTemplate PersistentVolumeClaimTemplate
PersistentVolumeClaimTemplate
  metadata ObjectMeta
  spec! PersistentVolumeClaimSpec
ImageVolumeSource
  reference string
  pullPolicy string
`;
