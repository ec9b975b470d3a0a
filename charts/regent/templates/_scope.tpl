{{- define "regent.scopeAnnotation" -}}regent.dev/watch-namespaces{{- end }}

{{/* `*`, or the namespaces that are watched, joined by commas. */}}
{{- define "regent.scope" -}}
{{ .Values.watchNamespaces | default (list "*") | sortAlpha | join "," }}
{{- end }}

{{/*
Fails when another release runs agents of a namespace that this one would run. Two operators on one agent would undo
each other's work at every step. A release's own namespace counts as its own: the policies in it are its floor.
*/}}
{{- define "regent.refuseOverlap" -}}
{{- $mine := append (include "regent.scope" . | splitList ",") .Release.Namespace | uniq }}
{{- range (lookup "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "" "").items }}
{{- $annotations := .metadata.annotations | default dict }}
{{- $release := get $annotations "meta.helm.sh/release-name" }}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" }}
{{- $scope := get $annotations (include "regent.scopeAnnotation" $) }}
{{- if and $scope (ne (printf "%s/%s" $namespace $release) (printf "%s/%s" $.Release.Namespace $.Release.Name)) }}
{{- $theirs := append (splitList "," $scope) $namespace | uniq }}
{{- if and (has "*" $mine) (has "*" $theirs) }}
{{- include "regent.failForOverlap" (list $release $namespace (list "every namespace")) }}
{{- else if has "*" $mine }}
{{- include "regent.failForOverlap" (list $release $namespace $theirs) }}
{{- else if has "*" $theirs }}
{{- include "regent.failForOverlap" (list $release $namespace $mine) }}
{{- else }}
{{- range $mine }}
{{- if has . $theirs }}{{ include "regent.failForOverlap" (list $release $namespace (list .)) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* (list release namespace overlap) */}}
{{- define "regent.failForOverlap" -}}
{{- $release := index . 0 }}{{ $namespace := index . 1 }}
{{- $overlap := index . 2 | join ", " }}
{{- fail (printf "\n\nRelease %q in namespace %q runs the agents of %s already, and two operators would undo each other's work.\nUpgrade that release (helm upgrade %s --namespace %s), or uninstall it first, or give both releases `watchNamespaces`\nwithout a namespace in common. The namespace that a release is installed in counts as its own."
  $release $namespace $overlap $release $namespace) }}
{{- end }}
