/** Types that every group uses. */
export const META_TYPES = `
Time = string date-time
MicroTime = string date-time
Quantity = string quantity
IntOrString = intstr
RawExtension = any

ObjectMeta # Name, labels and bookkeeping that every object has.
  name string # Name, unique in its namespace and kind.
  generateName string # Prefix of a name that the server completes.
  namespace string # Namespace of the object; cannot change.
  selfLink string
  uid string # Identity of this object over its lifetime, given by the server.
  resourceVersion string # Version of the last change, for optimistic concurrency and watches.
  generation long # Number of changes of the desired state.
  creationTimestamp Time # When the server created it.
  deletionTimestamp Time # When deletion was asked for; the object goes once its finalizers are gone.
  deletionGracePeriodSeconds long
  labels {string} # Keys and values that selectors match.
  annotations {string} # Free data for tools.
  ownerReferences [OwnerReference] map:uid patch:uid # Objects it depends on; when all are gone it is collected.
  finalizers [string] set patch # Work to be done before it may go.
  managedFields [ManagedFieldsEntry] # Who set which fields.
OwnerReference atomic # An object in the same namespace, or cluster-wide, that owns this one.
  apiVersion! string
  kind! string
  name! string
  uid! string
  controller bool
  blockOwnerDeletion bool
ManagedFieldsEntry
  manager string
  operation string
  apiVersion string
  time Time
  fieldsType string
  fieldsV1 any
  subresource string
ListMeta
  selfLink string
  resourceVersion string
  continue string
  remainingItemCount long
LabelSelector atomic # Chooses objects by label; empty chooses all.
  matchLabels {string}
  matchExpressions [LabelSelectorRequirement]
LabelSelectorRequirement
  key! string
  operator! string
  values [string]
FieldSelectorRequirement
  key! string
  operator! string
  values [string]
Condition # One observation of the state of the object.
  type! string
  status! string in:True|False|Unknown
  observedGeneration long min:0
  lastTransitionTime! Time
  reason! string
  message! string
DeleteOptions
  kind string
  apiVersion string
  gracePeriodSeconds long
  preconditions Preconditions
  orphanDependents bool
  propagationPolicy string
  dryRun [string]
  ignoreStoreReadErrorWithClusterBreakingPotential bool
Preconditions
  uid string
  resourceVersion string
`;
