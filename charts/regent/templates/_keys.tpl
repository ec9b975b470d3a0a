{{/*
A Secret with an Ed25519 key that is made once and kept over upgrades, rollbacks, uninstalls and releases, since others trust it. One
that holds anything is not rendered again: what Helm renders it also prints, and keeps in each revision, and would put in the
place of a key that was changed since. Rendered without its data it would be worse off, as Helm takes away the fields that it
applied before and applies no more. As a hook it belongs to no release, so none deletes it; one that a release made as a
plain object bears `helm.sh/resource-policy: keep`.

Without a cluster to ask each rendering would make another key, so then none is made.

(dict "root" $ "name" "regent-collector-key" "file" "ed25519.pem")
*/}}
{{- define "regent.keySecret" -}}
{{- if and (lookup "v1" "Namespace" "" "kube-system") (not (lookup "v1" "Secret" .root.Release.Namespace .name).data) }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "regent.sharedLabels" .root | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-5"
    helm.sh/hook-delete-policy: never
    helm.sh/resource-policy: keep
type: Opaque
data:
  {{ .file }}: {{ genPrivateKey "ed25519" | b64enc }}
{{- end }}
{{- end }}
