{{- define "bylaw.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bylaw.selector" -}}
app.kubernetes.io/name: bylaw
app.kubernetes.io/instance: {{ include "bylaw.fullname" . }}
{{- end -}}

{{- define "bylaw.labels" -}}
{{ include "bylaw.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with merge (dict) (.Values.jspolicy.extraLabels | default dict) .Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "bylaw.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "bylaw.fullname" .) -}}
{{- end -}}

{{- define "bylaw.service" -}}
{{- .Values.service.name | default (include "bylaw.fullname" .) -}}
{{- end -}}

{{- define "bylaw.priorityClass" -}}
{{- if .Values.priorityClassName -}}
{{- .Values.priorityClassName -}}
{{- else if .Values.priorityClass.create -}}
{{- include "bylaw.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* The Secret with a certificate that somebody else renews; empty where Bylaw makes its own. */}}
{{- define "bylaw.tlsSecret" -}}
{{- if .Values.tls.secretName -}}
{{- .Values.tls.secretName -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- printf "%s-tls" (include "bylaw.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* MiB of a quantity that ends in Mi or Gi. */}}
{{- define "bylaw.mebibytes" -}}
{{- if hasSuffix "Gi" . -}}
{{- mul (trimSuffix "Gi" . | int64) 1024 -}}
{{- else -}}
{{- trimSuffix "Mi" . | int64 -}}
{{- end -}}
{{- end -}}

{{/* Requests and limits; the memory is what the budget needs, and what goes beside it: code, requests, worker processes. */}}
{{- define "bylaw.resources" -}}
{{- $given := deepCopy (.Values.jspolicy.resources | default .Values.resources) -}}
{{- $needed := add (include "bylaw.mebibytes" .Values.memoryBudget | int64) 256 -}}
{{- $limits := $given.limits | default dict -}}
{{- if not $limits.memory -}}
{{- $_ := set $limits "memory" (printf "%dMi" $needed) -}}
{{- else if and (regexMatch "^[0-9]+(Mi|Gi)$" (toString $limits.memory)) (lt (include "bylaw.mebibytes" (toString $limits.memory) | int64) $needed) -}}
{{- fail (printf "the limit of %s of memory is too small for a memoryBudget of %s: it must be at least %dMi" $limits.memory .Values.memoryBudget $needed) -}}
{{- end -}}
{{- $requests := $given.requests | default dict -}}
{{- if not $requests.memory -}}
{{- $_ := set $requests "memory" $limits.memory -}}
{{- end -}}
{{- toYaml (dict "requests" $requests "limits" $limits) -}}
{{- end -}}

{{/* What Bylaw itself may do, of the file that `bylaw crd --rbac` reads too. Takes the root and where: cluster, namespace. */}}
{{- define "bylaw.rules" -}}
{{- $root := .root -}}
{{- $name := include "bylaw.fullname" $root -}}
{{- $secret := include "bylaw.tlsSecret" $root -}}
{{- $asked := dict "takeOver" $root.Values.takeOver "perPolicy" $root.Values.perPolicy "policyReports" $root.Values.policyReports.enabled "openReports" $root.Values.openReports.enabled "vclusters" $root.Values.vclusters.register "tlsSecret" (ne $secret "") -}}
{{- $rules := list -}}
{{- range ($root.Files.Get "files/rights.yaml" | fromYaml).rights -}}
{{- if and (eq .in $.in) (or (not .when) (get $asked (.when | default ""))) -}}
{{- $rule := omit . "why" "in" "when" -}}
{{- if .resourceNames -}}
{{- $names := list -}}
{{- range .resourceNames -}}
{{- $names = append $names (. | replace "TLS_SECRET" $secret | replace "NAME" $name) -}}
{{- end -}}
{{- $_ := set $rule "resourceNames" $names -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{- define "bylaw.hook" -}}
helm.sh/hook: post-delete
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
