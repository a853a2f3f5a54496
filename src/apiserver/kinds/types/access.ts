export const RBAC_V1_TYPES = `
Role # Rights in one namespace.
  metadata ObjectMeta
  rules [PolicyRule]
ClusterRole # Rights in all namespaces.
  metadata ObjectMeta
  rules [PolicyRule]
  aggregationRule AggregationRule
AggregationRule
  clusterRoleSelectors [LabelSelector]
PolicyRule
  verbs! [string]
  apiGroups [string]
  resources [string]
  resourceNames [string]
  nonResourceURLs [string]
RoleBinding # Gives a role to subjects in one namespace.
  metadata ObjectMeta
  subjects [Subject]
  roleRef! RoleRef
ClusterRoleBinding # Gives a cluster role to subjects everywhere.
  metadata ObjectMeta
  subjects [Subject]
  roleRef! RoleRef
Subject atomic
  kind! string
  apiGroup string
  name! string
  namespace string
RoleRef atomic
  apiGroup string =rbac.authorization.k8s.io
  kind! string
  name! string
`;

export const AUTHENTICATION_V1_TYPES = `
TokenReview # Asks whose token this is.
  metadata ObjectMeta
  spec! TokenReviewSpec
  status TokenReviewStatus
TokenReviewSpec
  token string
  audiences [string]
TokenReviewStatus
  authenticated bool
  user UserInfo
  audiences [string]
  error string
UserInfo
  username string
  uid string
  groups [string]
  extra {[string]}
TokenRequest # Asks for a token of a service account.
  metadata ObjectMeta
  spec! TokenRequestSpec
  status TokenRequestStatus
TokenRequestSpec
  audiences [string]
  expirationSeconds long =3600
  boundObjectRef BoundObjectReference
BoundObjectReference
  kind string
  apiVersion string
  name string
  uid string
TokenRequestStatus
  token! string
  expirationTimestamp! Time
SelfSubjectReview # Asks who I am.
  metadata ObjectMeta
  status SelfSubjectReviewStatus
SelfSubjectReviewStatus
  userInfo UserInfo
`;

export const AUTHORIZATION_V1_TYPES = `
SubjectAccessReview # Asks what somebody may do.
  metadata ObjectMeta
  spec! SubjectAccessReviewSpec
  status SubjectAccessReviewStatus
LocalSubjectAccessReview # Asks what somebody may do in one namespace.
  metadata ObjectMeta
  spec! SubjectAccessReviewSpec
  status SubjectAccessReviewStatus
SelfSubjectAccessReview # Asks what I may do.
  metadata ObjectMeta
  spec! SelfSubjectAccessReviewSpec
  status SubjectAccessReviewStatus
SelfSubjectRulesReview # Asks for all that I may do in a namespace.
  metadata ObjectMeta
  spec! SelfSubjectRulesReviewSpec
  status SubjectRulesReviewStatus
SubjectAccessReviewSpec
  resourceAttributes ResourceAttributes
  nonResourceAttributes NonResourceAttributes
  user string
  groups [string]
  extra {[string]}
  uid string
SelfSubjectAccessReviewSpec
  resourceAttributes ResourceAttributes
  nonResourceAttributes NonResourceAttributes
ResourceAttributes
  namespace string
  verb string
  group string
  version string
  resource string
  subresource string
  name string
  fieldSelector FieldSelectorAttributes
  labelSelector LabelSelectorAttributes
FieldSelectorAttributes
  rawSelector string
  requirements [FieldSelectorRequirement]
LabelSelectorAttributes
  rawSelector string
  requirements [LabelSelectorRequirement]
NonResourceAttributes
  path string
  verb string
SubjectAccessReviewStatus
  allowed! bool
  denied bool
  reason string
  evaluationError string
SelfSubjectRulesReviewSpec
  namespace string
SubjectRulesReviewStatus
  resourceRules! [ResourceRule]
  nonResourceRules! [NonResourceRule]
  incomplete! bool
  evaluationError string
ResourceRule
  verbs! [string]
  apiGroups [string]
  resources [string]
  resourceNames [string]
NonResourceRule
  verbs! [string]
  nonResourceURLs [string]
`;
