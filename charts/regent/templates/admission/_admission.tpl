{{/* Names of cluster-scoped objects that may hold no colon. (dict "root" $ "part" "children") */}}
{{- define "regent.admissionName" -}}regent-{{ .part }}.{{ .root.Release.Namespace }}{{- end }}

{{/* Argo CD would apply them behind the operator's Deployment. */}}
{{- define "regent.admissionAnnotations" -}}argocd.argoproj.io/sync-wave: "-5"{{- end }}

{{- define "regent.operatorUser" -}}system:serviceaccount:{{ .Release.Namespace }}:{{ include "regent.name" . }}{{- end }}

{{/*
CEL: whether the request is the operator's, or one of the controllers' that make and remove pods and children. These run as
ServiceAccounts of kube-system, or all as one user where the cluster gives them no accounts of their own.
*/}}
{{- define "regent.trusted" -}}
request.userInfo.username == '{{ include "regent.operatorUser" . }}'
|| request.userInfo.username == 'system:kube-controller-manager'
{{- range .Values.admissionPolicies.controllerNamespaces }}
|| request.userInfo.username.startsWith('system:serviceaccount:{{ . }}:')
{{- end }}
{{- if eq .Values.autoscaling.provider "KEDA" }}
|| request.userInfo.username == 'system:serviceaccount:{{ .Values.autoscaling.keda.namespace }}:{{ .Values.autoscaling.keda.serviceAccount }}'
{{- end }}
{{- with .Values.admissionPolicies.breakGlassGroups }}
|| (has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in {{ toJson . }}))
{{- end }}
{{- end }}

{{/*
CEL: the images that a new agent may be given: the configured one, and those of the operators that run. The new operator
may never start, and until it leads another does. Without a cluster to ask, the configured one alone.
*/}}
{{- define "regent.runtimeImages" -}}
{{- $images := list (include "regent.image" (dict "root" . "image" .Values.image.runtime)) }}
{{- range (lookup "v1" "Pod" .Release.Namespace "").items }}
{{- if and (eq (dig "labels" "app.kubernetes.io/name" "" .metadata) (include "regent.name" $)) (eq .status.phase "Running") }}
{{- range .spec.containers }}
{{- range .args }}
{{- if hasPrefix "--runtime-image=" . }}{{ $images = trimPrefix "--runtime-image=" . | append $images }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $images | uniq | toJson }}
{{- end }}

{{/* (dict "root" $ "part" "children" "everywhere" false): in the namespaces that are watched, or everywhere. */}}
{{- define "regent.admissionBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "regent.admissionName" . }}
  labels:
    {{- include "regent.labels" .root | nindent 4 }}
  annotations:
    {{- include "regent.admissionAnnotations" .root | nindent 4 }}
spec:
  policyName: {{ include "regent.admissionName" . }}
  validationActions: [Deny]
  {{- if and .root.Values.watchNamespaces (not .everywhere) }}
  matchResources:
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: In
          values: {{ toJson .root.Values.watchNamespaces }}
  {{- end }}
{{- end }}
