{{/*
Names. At most one release lives in a namespace, so names of the namespace's objects are fixed; those of the cluster
bear the namespace.
*/}}
{{- define "regent.name" -}}regent-operator{{- end }}
{{- define "regent.clusterName" -}}regent-operator:{{ .Release.Namespace }}{{- end }}

{{- define "regent.signingSecret" -}}{{ .Values.signing.existingSecret | default "regent-operator-signing" }}{{- end }}

{{- define "regent.selector" -}}
app.kubernetes.io/name: regent-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "regent.labels" -}}
{{ include "regent.selector" . }}
{{ include "regent.sharedLabels" . }}
{{- end }}

{{/* Of objects that belong to the cluster and not to a release. */}}
{{- define "regent.sharedLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: regent
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* (dict "root" $ "image" .Values.image.operator) -> reference; a digest wins over the tag. */}}
{{- define "regent.image" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}
{{- .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The audit collector. */}}
{{- define "regent.collector.name" -}}regent-collector{{- end }}
{{- define "regent.collector.clusterName" -}}regent-collector:{{ .Release.Namespace }}{{- end }}

{{- define "regent.collector.selector" -}}
app.kubernetes.io/name: regent-collector
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "regent.collector.labels" -}}
{{ include "regent.collector.selector" . }}
{{ include "regent.sharedLabels" . }}
{{- end }}

{{- define "regent.collector.keySecret" -}}
{{ .Values.collector.signingKey.secretName | default (printf "%s-key" (include "regent.collector.name" .)) }}
{{- end }}

{{/* The metrics API. */}}
{{- define "regent.metricsApi.name" -}}regent-metrics-api{{- end }}
{{/* What it serves; empty: there is none. */}}
{{- define "regent.metricsApi.serves" -}}
{{- get (dict "Regent" "custom-metrics" "KEDA" "keda") .Values.autoscaling.provider -}}
{{- end }}
{{- define "regent.metricsApi.clusterName" -}}regent-metrics-api:{{ .Release.Namespace }}{{- end }}

{{- define "regent.metricsApi.selector" -}}
app.kubernetes.io/name: regent-metrics-api
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "regent.metricsApi.labels" -}}
{{ include "regent.metricsApi.selector" . }}
{{ include "regent.sharedLabels" . }}
{{- end }}
