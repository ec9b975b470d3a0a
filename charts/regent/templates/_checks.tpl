{{/*
What the schema cannot say of values: the program would end at once with each pod that starts.
*/}}

{{/* A range; fails where it is none, or where an address in it stands for it (10.0.0.1/8), as the operator would. */}}
{{- define "regent.cidr" -}}
{{- $address := splitList "/" . | first }}
{{- $length := splitList "/" . | last | atoi }}
{{- $bits := "" }}
{{- $expected := 32 }}
{{- if contains ":" $address }}
{{- $expected = 128 }}
{{- if or (regexMatch "^:[^:]|[^:]:$" $address) (and (contains "::" $address) (splitList ":" $address | compact | len | lt 7)) }}
{{- $expected = -1 }}
{{- end }}
{{- $left := splitList ":" $address | compact | len | sub 8 | max 0 | int }}
{{- range splitList ":" (replace "::" (printf ":%s" (repeat $left "0:")) $address | trimAll ":") }}
{{- $bits = printf "0x%s" . | int64 | printf "%s%016b" $bits }}
{{- end }}
{{- else }}
{{- range splitList "." $address }}
{{- $bits = atoi . | printf "%s%08b" $bits }}
{{- end }}
{{- end }}
{{- if not (and (eq (len $bits) $expected) (regexMatch (printf "^[01]{%d}0*$" $length) $bits)) }}
{{- fail (printf "\n\ncluster.cidrs and cluster.podCidrs take ranges such as 10.96.0.0/12 or fd00:1::/108; %s is none, or has bits set after the first %d." . $length) }}
{{- end }}
{{- . }}
{{- end }}

{{/* Bytes that the logs may grow to: fewer than the volume has. */}}
{{- define "regent.collector.mostBytes" -}}
{{- $storage := .Values.collector.storage }}
{{- $most := $storage.mostBytes | int64 }}
{{- $number := regexFind "^[0-9.]+" $storage.size }}
{{- $unit := trimPrefix $number $storage.size }}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 0x1p10 "Mi" 0x1p20 "Gi" 0x1p30 "Ti" 0x1p40 "Pi" 0x1p50 "Ei" 0x1p60 }}
{{- $size := mulf (float64 $number) (get $units $unit | default 1.0) }}
{{- if and (not $storage.emptyDir) (ge (float64 $most) $size) }}
{{- fail (printf "\n\ncollector.storage.mostBytes (%d) has to be below collector.storage.size (%s), or the volume fills before the logs stop growing." $most $storage.size) }}
{{- end }}
{{- $most }}
{{- end }}
