export const APIEXTENSIONS_V1_TYPES = `
CustomResourceDefinition # Adds a kind to this API.
  metadata ObjectMeta
  spec! CustomResourceDefinitionSpec
  status CustomResourceDefinitionStatus
CustomResourceDefinitionSpec
  group! string
  names! CustomResourceDefinitionNames
  scope! string in:Cluster|Namespaced
  versions! [CustomResourceDefinitionVersion]
  conversion CustomResourceConversion
  preserveUnknownFields bool
CustomResourceDefinitionNames
  plural! string
  singular string
  shortNames [string]
  kind! string
  listKind string
  categories [string]
CustomResourceDefinitionVersion
  name! string
  served! bool
  storage! bool
  deprecated bool
  deprecationWarning string
  schema CustomResourceValidation
  subresources CustomResourceSubresources
  additionalPrinterColumns [CustomResourceColumnDefinition]
  selectableFields [SelectableField]
CustomResourceValidation
  openAPIV3Schema JSONSchemaProps
CustomResourceSubresources
  status any
  scale CustomResourceSubresourceScale
CustomResourceSubresourceScale
  specReplicasPath! string
  statusReplicasPath! string
  labelSelectorPath string
CustomResourceColumnDefinition
  name! string
  type! string
  format string
  description string
  priority int
  jsonPath! string
SelectableField
  jsonPath! string
CustomResourceConversion
  strategy! string in:None|Webhook
  webhook WebhookConversion
WebhookConversion
  clientConfig WebhookClientConfig
  conversionReviewVersions! [string]
WebhookClientConfig
  url string
  service ServiceReference
  caBundle bytes
ServiceReference
  namespace! string
  name! string
  path string
  port int
CustomResourceDefinitionStatus
  conditions [CustomResourceDefinitionCondition] map:type
  acceptedNames CustomResourceDefinitionNames
  storedVersions [string]
  observedGeneration long
CustomResourceDefinitionCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
  observedGeneration long
JSONSchemaProps
  id string
  $schema string
  $ref string
  description string
  type string
  format string
  title string
  default any
  maximum number
  exclusiveMaximum bool
  minimum number
  exclusiveMinimum bool
  maxLength long
  minLength long
  pattern string
  maxItems long
  minItems long
  uniqueItems bool
  multipleOf number
  enum [any]
  maxProperties long
  minProperties long
  required [string]
  items any
  allOf [JSONSchemaProps]
  oneOf [JSONSchemaProps]
  anyOf [JSONSchemaProps]
  not JSONSchemaProps
  properties {JSONSchemaProps}
  additionalProperties any
  patternProperties {JSONSchemaProps}
  dependencies any
  additionalItems any
  definitions {JSONSchemaProps}
  externalDocs any
  example any
  nullable bool
  x-kubernetes-preserve-unknown-fields bool
  x-kubernetes-embedded-resource bool
  x-kubernetes-int-or-string bool
  x-kubernetes-list-map-keys [string]
  x-kubernetes-list-type string
  x-kubernetes-map-type string
  x-kubernetes-validations [ValidationRule] map:rule
ValidationRule
  rule! string
  message string
  messageExpression string
  reason string
  fieldPath string
  optionalOldSelf bool
`;

export const APIREGISTRATION_V1_TYPES = `
APIService # A group and version of the API, served here or by another server.
  metadata ObjectMeta
  spec APIServiceSpec
  status APIServiceStatus
APIServiceSpec
  service ServiceReference
  group string
  version string
  insecureSkipTLSVerify bool
  caBundle bytes
  groupPriorityMinimum! int
  versionPriority! int
ServiceReference
  namespace string
  name string
  port int
APIServiceStatus
  conditions [APIServiceCondition] map:type patch:type
APIServiceCondition
  type! string
  status! string
  lastTransitionTime Time
  reason string
  message string
`;

export const ADMISSIONREGISTRATION_V1_TYPES = `
ValidatingWebhookConfiguration # Services that may refuse changes.
  metadata ObjectMeta
  webhooks [ValidatingWebhook] map:name patch:name
MutatingWebhookConfiguration # Services that may alter changes.
  metadata ObjectMeta
  webhooks [MutatingWebhook] map:name patch:name
ValidatingWebhook
  name! string
  clientConfig! WebhookClientConfig
  rules [RuleWithOperations]
  failurePolicy string in:Ignore|Fail =Fail
  matchPolicy string in:Exact|Equivalent =Equivalent
  namespaceSelector LabelSelector ={}
  objectSelector LabelSelector ={}
  sideEffects! string in:None|NoneOnDryRun
  timeoutSeconds int =10 min:1 max:30
  admissionReviewVersions! [string]
  matchConditions [MatchCondition] map:name patch:name
MutatingWebhook
  name! string
  clientConfig! WebhookClientConfig
  rules [RuleWithOperations]
  failurePolicy string in:Ignore|Fail =Fail
  matchPolicy string in:Exact|Equivalent =Equivalent
  namespaceSelector LabelSelector ={}
  objectSelector LabelSelector ={}
  sideEffects! string in:None|NoneOnDryRun
  timeoutSeconds int =10 min:1 max:30
  admissionReviewVersions! [string]
  reinvocationPolicy string in:Never|IfNeeded =Never
  matchConditions [MatchCondition] map:name patch:name
RuleWithOperations
  operations [string]
  apiGroups [string]
  apiVersions [string]
  resources [string]
  scope string =*
WebhookClientConfig
  url string
  service ServiceReference
  caBundle bytes
ServiceReference
  namespace! string
  name! string
  path string
  port int =443
MatchCondition
  name! string
  expression! string
`;
