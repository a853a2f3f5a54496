{{- define "everything.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{/* Takes a list: the root, and a suffix. */}}
{{- define "everything.suffixed" -}}
{{- $root := index . 0 -}}
{{- $suffix := index . 1 -}}
{{ include "everything.name" $root }}-{{ $suffix }}
{{- end -}}
{{- define "everything.labels" }}
app.kubernetes.io/name: {{ include "everything.name" .root | quote }}
extra: {{ .extra | default "none" }}
{{- end }}
{{- define "shared.name" }}parent wins{{ end }}
