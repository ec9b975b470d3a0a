{{/*
What the operator may do. docs/reference/rbac.md says what each permission is for, and a test compares the two.
There is no rule on Secrets: pods mount what they need, and the operator never reads it.
*/}}

{{/* In each namespace that is watched. */}}
{{- define "regent.rules.agents" -}}
{{ include "regent.rules.policies" . }}
- apiGroups: [regent.dev]
  resources: [aiagents, modelroutes]
  verbs: [get, list, watch]
- apiGroups: [regent.dev]
  resources: [aiagents/status, modelroutes/status]
  verbs: [patch]
- apiGroups: [regent.dev]
  resources: [aiagents/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [serviceaccounts, configmaps, services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, create, patch, delete]
{{- if eq .Values.autoscaling.provider "KEDA" }}
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [get, list, create, patch, delete]
{{- end }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* In the operator's own namespace too: its policies are the floor. */}}
{{- define "regent.rules.policies" -}}
- apiGroups: [regent.dev]
  resources: [agentpolicies]
  verbs: [get, list, watch]
- apiGroups: [regent.dev]
  resources: [agentpolicies/status]
  verbs: [patch]
{{- end }}

{{/* The operator's own Lease. A create cannot be limited by name. */}}
{{- define "regent.rules.lease" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "regent.name" . }}]
  verbs: [get, update]
{{- end }}

{{/* Of the operator's own namespace, in either mode. */}}
{{- define "regent.rules.own" -}}
{{- if .Values.watchNamespaces }}
{{- include "regent.rules.policies" . }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
{{ end }}
{{- include "regent.rules.lease" . }}
{{- end }}

{{/* In a namespace that holds model servers and is not watched. */}}
{{- define "regent.rules.services" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
{{- end }}

{{/* Of the cluster, in either mode. */}}
{{- define "regent.rules.cluster" -}}
- nonResourceURLs: [/.well-known/openid-configuration, /openid/v1/jwks]
  verbs: [get]
{{- if not .Values.cluster.cidrs }}
- apiGroups: [networking.k8s.io]
  resources: [servicecidrs]
  verbs: [list]
{{- end }}
- apiGroups: [""]
  resources: [namespaces]
  {{- with .Values.watchNamespaces }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [list, watch]
{{- end }}
