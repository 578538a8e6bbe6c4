{{- define "rdb.name" -}}
{{- default "rdb-operator" .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of everything that the release makes. */}}
{{- define "rdb.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains "operator" .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "rdb.selector" -}}
app.kubernetes.io/name: {{ include "rdb.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rdb.labels" -}}
{{ include "rdb.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: r-db
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "rdb.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "rdb.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "rdb.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* What the operator may do where it looks after clusters. It holds every verb that it grants to nodes. */}}
{{- define "rdb.rules" -}}
- apiGroups: [rdb.dev]
  resources: [rdbclusters]
  # update: takes back the annotation rdb.dev/accept-data-loss once it is carried out.
  verbs: [get, list, watch, update]
- apiGroups: [rdb.dev]
  resources: [rdbclusters/status]
  verbs: [update]
- apiGroups: [rdb.dev]
  # Owner references that block deletion need it where OwnerReferencesPermissionEnforcement is on.
  resources: [rdbclusters/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  # update: labels and annotations; delete: replacing a node.
  verbs: [get, list, watch, update, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, update]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, update]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, update]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
