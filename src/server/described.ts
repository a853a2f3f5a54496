import { column, describeKinds, NAME_COLUMN, AGE_COLUMN, textAt } from '../apiserver/index.ts';

/** Kinds that parts of this process answer for: what `kubectl explain` and `kubectl get` show of them. */

const READ = ['get', 'list'];

export const [NODE_METRICS, POD_METRICS] = describeKinds(
  'metrics.k8s.io/v1beta1',
  {
    prefix: 'io.k8s.metrics.pkg.apis.metrics.v1beta1',
    types: `
NodeMetrics # What a node uses right now.
  metadata ObjectMeta
  timestamp Time # When it was measured.
  window string # Over which time.
  usage {string} # cpu and memory.
PodMetrics # What a pod uses right now.
  metadata ObjectMeta
  timestamp Time # When it was measured.
  window string # Over which time.
  containers [ContainerMetrics]
ContainerMetrics
  name! string
  usage {string} # cpu and memory.
`,
  },
  [
    { kind: 'NodeMetrics', plural: 'nodes', cluster: true, verbs: READ },
    { kind: 'PodMetrics', plural: 'pods', verbs: READ },
  ],
);

export const [FUNCTION_RUN] = describeKinds(
  'run.dispatch.dev/v1alpha1',
  {
    prefix: 'dev.dispatch.run.v1alpha1',
    types: `
FunctionRun # One call of a function, and what came of it.
  metadata ObjectMeta
  spec! FunctionRunSpec
  status FunctionRunStatus
FunctionRunSpec
  function! string # The function to call.
  input any # What it is called with.
  blocking bool =true # False answers at once; the run is kept until it has succeeded or was given up.
  secrets [string] # Secrets of the namespace that the call may read, beside the function's own.
  idempotencyKey string # The same key of the same function is the same run.
  event any # The CloudEvent that led to it.
  httpContext any # The request that led to it.
FunctionRunStatus
  phase string # INITIALIZED, CREATING, READY or ERROR.
  functionId string
  revision string # Which revision of the function ran.
  output any
  error RunError
  logs RunLogs
  startedAt long # Milliseconds since 1970.
  finishedAt long # Milliseconds since 1970.
  attempts int
  nextAt long # When it is tried again, in milliseconds since 1970.
  dead bool # It was given up; "dispatch run redrive" sends it again.
  reason [string]
RunError
  type string in:InputError|FunctionError|SystemError
  message string
  stacktrace [string]
  status int # What is answered over HTTP.
RunLogs
  stdout [string]
  stderr [string]
`,
  },
  [
    {
      kind: 'FunctionRun',
      plural: 'functionruns',
      verbs: ['create', 'get', 'list'],
      columns: [
        NAME_COLUMN,
        column('Function', 'spec.function'),
        column('Status', (run) =>
          textAt(run, 'status.dead') === 'true' ? 'DEAD' : textAt(run, 'status.phase'),
        ),
        column('Attempts', 'status.attempts', { type: 'integer', wide: true }),
        column('Reason', 'status.error.message', { wide: true }),
        AGE_COLUMN,
      ],
    },
  ],
);
