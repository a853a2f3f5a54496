import { spawnSync } from 'node:child_process';

/** Why tests with containers do not run here, or false. With CI=true nothing may be left out. */
export const SKIP_SANDBOX: string | false =
  process.env['CI'] === 'true' ||
  spawnSync('unshare', ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc', 'true']).status === 0
    ? false
    : 'this machine lets nobody make user namespaces';

/** Three servers that all listen on one port, a service before them, and a path at the gateway. */
export const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: dispatch.local/node
        env: [{name: GREETING, value: hello}]
        command: [node, -e]
        args:
        - |
          const server = require('http').createServer((_, answer) => {
            answer.end(process.env.GREETING + ' ' + require('os').hostname());
          }).listen(8080, () => console.log('listening'));
          process.on('SIGTERM', () => server.close(() => process.exit(0)));
        ports: [{containerPort: 8080, name: http}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - http:
      paths:
      - path: /web
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
`;

const PATIENCE_MS = 30_000;
const PAUSE_MS = 50;
const MAX_PAUSE_MS = 300;

/** Repeats an assertion until it holds; then, or when patience ends, it speaks for itself. */
export async function eventually<T>(attempt: () => Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  const deadline = Date.now() + patienceMs;
  // Whoever asks often takes the time from what is waited for.
  for (let pauseMs = PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.2, MAX_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
