{{/*
What belongs to the cluster and not to a release: CRDs, aggregated roles, the floor policy. Helm refuses an object that
another release owns, and the owner's uninstall would delete it. As hooks they have no owner: they are applied before
each install and upgrade, by whichever release, and stay. Helm never deletes a CRD that is a hook; the others stay
because their delete policy is none that Helm knows.

Without a cluster to ask (helm template, Argo CD) they are plain objects with resource-policy keep, since there hooks
would be deleted and made anew at each sync.
*/}}
{{- define "regent.sharedAnnotations" -}}
{{- if lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "aiagents.regent.dev" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: never
{{- else -}}
helm.sh/resource-policy: keep
{{- end }}
{{- end }}
