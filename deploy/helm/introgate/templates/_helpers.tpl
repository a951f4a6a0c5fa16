{{- define "introgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "introgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "introgate.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "introgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "introgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "introgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "introgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "introgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "introgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "introgate.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "introgate.configMapName" -}}
{{- default (include "introgate.fullname" .) .Values.existingConfigMap -}}
{{- end -}}

{{/* gateway.yaml: `config`, with the listeners, the admin listener and the time to stop that the pod is made for */}}
{{- define "introgate.gateway" -}}
{{- $config := deepCopy .Values.config -}}
{{- range $key, $value := dict "listeners" "listeners" "admin" "admin" "shutdown_timeout" "shutdownSeconds" -}}
{{- if hasKey $config $key -}}
{{- fail (printf "config.%s is made by the chart, so that ports, probes and times fit; write the value `%s` instead" $key $value) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "authorization_servers" "routes" -}}
{{- if not (get $config $key) -}}
{{- fail (printf "config.%s is missing: write `config` as in gateway.yaml, or name a ConfigMap in `existingConfigMap`" $key) -}}
{{- end -}}
{{- end -}}
{{- $listeners := list -}}
{{- range $name, $listener := .Values.listeners -}}
{{- $made := dict "address" (printf "%s:%d" $.Values.bindAddress (int $listener.port)) "serves" (default "proxy" $listener.serves) -}}
{{- if $listener.tlsSecret -}}
{{- $folder := printf "/run/secrets/introgate/tls-%s" $name -}}
{{- $_ := set $made "tls" (dict "certificate" (printf "%s/tls.crt" $folder) "private_key" (printf "%s/tls.key" $folder)) -}}
{{- end -}}
{{- $listeners = append $listeners (mergeOverwrite $made (deepCopy (default dict $listener.settings))) -}}
{{- end -}}
{{- $_ := set $config "listeners" $listeners -}}
{{- $admin := dict "address" (printf "%s:%d" .Values.bindAddress (int .Values.admin.port)) -}}
{{- $_ := set $config "admin" (mergeOverwrite $admin (deepCopy .Values.admin.settings)) -}}
{{- $_ := set $config "shutdown_timeout" (printf "%ds" (int .Values.shutdownSeconds)) -}}
{{- toYaml $config -}}
{{- end -}}

{{/* the container's part that `helm test` shares */}}
{{- define "introgate.container" -}}
image: {{ include "introgate.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  # folders, not subPath: files that are mounted one by one never change
  - { name: config, mountPath: /etc/introgate, readOnly: true }
  # the socket of `run --upgrade`; nothing else is written
  - { name: tmp, mountPath: /tmp }
  {{- range $name, $file := .Values.files }}
  - { name: file-{{ $name }}, mountPath: /run/secrets/introgate/{{ $name }}, readOnly: true }
  {{- end }}
  {{- range $name, $listener := .Values.listeners }}
  {{- if $listener.tlsSecret }}
  - { name: tls-{{ $name }}, mountPath: /run/secrets/introgate/tls-{{ $name }}, readOnly: true }
  {{- end }}
  {{- end }}
  {{- if .Values.serviceAccountToken.audience }}
  - { name: token, mountPath: /run/secrets/tokens, readOnly: true }
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* the pod's part that `helm test` shares */}}
{{- define "introgate.pod" -}}
serviceAccountName: {{ include "introgate.serviceAccountName" . }}
# the gateway does not call Kubernetes
automountServiceAccountToken: false
# variables for each Service of the namespace; nothing reads them
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
volumes:
  - name: config
    configMap:
      name: {{ include "introgate.configMapName" . }}
  - name: tmp
    emptyDir: { medium: Memory, sizeLimit: 1Mi }
  {{- range $name, $file := .Values.files }}
  - name: file-{{ $name }}
    {{- $rest := omit $file "secret" "configMap" }}
    {{- if $file.secret }}
    secret:
      {{- toYaml (merge (dict "secretName" $file.secret "defaultMode" 288) $rest) | nindent 6 }}
    {{- else }}
    configMap:
      {{- toYaml (merge (dict "name" $file.configMap) $rest) | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- range $name, $listener := .Values.listeners }}
  {{- if $listener.tlsSecret }}
  - name: tls-{{ $name }}
    secret:
      secretName: {{ $listener.tlsSecret }}
      defaultMode: 288
  {{- end }}
  {{- end }}
  {{- with .Values.serviceAccountToken }}
  {{- if .audience }}
  - name: token
    projected:
      defaultMode: 288
      sources:
        - serviceAccountToken:
            path: gateway
            audience: {{ .audience | quote }}
            expirationSeconds: {{ int .expirationSeconds }}
  {{- end }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
