import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Renderer, SourceTree } from '../../src/render/index.ts';
import type { Row } from '../main.ts';
import { median } from '../platform.ts';

const TEMPLATES = 100;
const TURNS = 15;
const CAPABILITIES = { kubeVersion: 'v1.33.1', apiVersions: ['v1', 'apps/v1'] };

/** A chart with many templates, rendered here and by helm where that is installed. */
export async function benchRender(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'dispatch-bench-render-'));
  try {
    writeChart(dir);
    const renderer = new Renderer({ path: process.env['PATH'] ?? '', scratchDir: dir, now: Date.now });
    const helm = { release: { name: 'rel', namespace: 'default' } };
    const own: number[] = [];
    const peer: number[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const start = performance.now();
      const { manifests } = await renderer.helm(new SourceTree(dir), {
        path: '',
        helm,
        capabilities: CAPABILITIES,
      });
      own.push(performance.now() - start);
      if (manifests.length !== TEMPLATES) throw new Error(`${manifests.length} objects were rendered`);
      const time = helmTime(dir);
      if (time !== undefined) peer.push(time);
    }
    return [
      {
        name: `chart with ${TEMPLATES} templates, from its files to objects`,
        value: median(own),
        unit: 'ms',
        peer:
          peer.length === 0 ? 'helm is not installed here' : `helm template: ${median(peer).toFixed(0)} ms`,
        goal: '≤ ½ of helm',
      },
    ];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function helmTime(dir: string): number | undefined {
  const start = performance.now();
  try {
    execFileSync('helm', ['template', 'rel', dir], { stdio: ['ignore', 'pipe', 'ignore'] });
    return performance.now() - start;
  } catch {
    return undefined;
  }
}

function writeChart(dir: string): void {
  mkdirSync(join(dir, 'templates'));
  writeFileSync(join(dir, 'Chart.yaml'), 'apiVersion: v2\nname: many\nversion: 0.1.0\n');
  writeFileSync(
    join(dir, 'values.yaml'),
    `image: {repository: app, tag: v1}\nreplicas: 3\nenv: {A: "1", B: "2", C: "3"}\nports: [80, 443, 8080]\n`,
  );
  writeFileSync(
    join(dir, 'templates', '_helpers.tpl'),
    '{{- define "many.labels" -}}\napp.kubernetes.io/name: {{ .Chart.Name | quote }}\napp.kubernetes.io/instance: {{ .Release.Name | trunc 63 | trimSuffix "-" }}\n{{- end }}\n',
  );
  for (let at = 0; at < TEMPLATES; at += 1)
    writeFileSync(join(dir, 'templates', `d${at}.yaml`), deployment(at));
}

function deployment(at: number): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-${at}
  labels: {{- include "many.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: d${at}}}
  template:
    metadata: {labels: {app: d${at}}}
    spec:
      containers:
      - name: app
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
        env:
        {{- range $name, $value := .Values.env }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
        {{- with .Values.ports }}
        ports:
        {{- range . }}
        - containerPort: {{ . }}
        {{- end }}
        {{- end }}
        resources: {{- toYaml (dict "limits" (dict "cpu" "1" "memory" "1Gi")) | nindent 10 }}
`;
}
