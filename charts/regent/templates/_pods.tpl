{{/* What values say of all pods of the chart: the operator's, the collector's and the metrics API's. */}}

{{/* (dict "root" $ "labels" (include "regent.labels" .)); these win over labels of values. */}}
{{- define "regent.podMetadata" -}}
labels:
  {{- merge (fromYaml .labels) (.root.Values.podLabels | default dict) | toYaml | nindent 2 }}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Of a pod's spec; empty where values say nothing. */}}
{{- define "regent.placement" -}}
{{- $placement := dict }}
{{- range $name := list "imagePullSecrets" "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
{{- with get $.Values $name }}{{ $_ := set $placement $name . }}{{ end }}
{{- end }}
{{- with $placement }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* Of their NetworkPolicies: the rule by which names are resolved. */}}
{{- define "regent.dns" -}}
to:
  {{- toYaml .Values.cluster.dnsPeers | nindent 2 }}
ports:
  {{- range .Values.cluster.dnsPorts | default (list 53) }}
  - protocol: UDP
    port: {{ . }}
  - protocol: TCP
    port: {{ . }}
  {{- end }}
{{- end }}
