{{/*
What belongs to the cluster and not to a release: CRDs, aggregated roles, the floor policy, keys (_keys.tpl). Helm refuses an object that
another release owns, and the owner's uninstall would delete it. As hooks they have no owner: they are applied before
each install and upgrade, by whichever release, and stay. Helm never deletes a CRD that is a hook; the others stay
because their delete policy is none that Helm knows.

What a rollback brings back too, `before` names pre-rollback for: roles and floor. CRDs stay, since objects may hold what older
ones drop, and so do keys.

Without a cluster to ask (helm template, Argo CD) they are plain objects with resource-policy keep, since there hooks
would be deleted and made anew at each sync. Hooks bear it as well: some were plain objects of a release before. Argo CD sorts
kinds that it does not know behind Deployments, so their weights are its waves. (The CRDs' stands in their files, where helm
template takes them from.)
*/}}
{{- define "regent.sharedAnnotations" -}}
{{- if lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "aiagents.regent.dev" -}}
helm.sh/hook: {{ .before }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: never
{{ else -}}
argocd.argoproj.io/sync-wave: {{ .weight | quote }}
{{ end -}}
helm.sh/resource-policy: keep
{{- end }}
