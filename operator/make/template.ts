/**
 * The pod template. A changed hash of it means that pods are replaced, and with one copy that their data
 * is lost: so nothing here may change from one release to the next without need, and nothing may depend
 * on the operator's own version. `template.test.ts` pins the bytes.
 */
import type { V1PodSpec } from '@kubernetes/client-node';
import { defined, hashOf, type JsonObject } from '../json.ts';
import { limits } from '../limits.ts';
import {
  annotations,
  CONFIG_DIRECTORY,
  CONTAINER,
  HASH_SEED,
  objectNames,
  ownedLabels,
  podSelector,
  ports,
  TOPOLOGY,
} from '../names.ts';
import { canonicalQuantity } from '../quantity.ts';
import type { Resolved } from '../resolve.ts';
import type { Quantities, RDbCluster, RDbClusterSpec } from '../resource.ts';
import { settingFiles } from './config.ts';

export interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: JsonObject;
  /** Over `spec` alone: labels and annotations are patched on live pods. */
  readonly hash: string;
}

export function buildTemplate(cluster: RDbCluster, resolved: Resolved, image: string): PodTemplate {
  // Through JSON, so that what is hashed is what is sent.
  const spec = JSON.parse(JSON.stringify(defined(podSpec(cluster, resolved, image)))) as JsonObject;
  const hash = hashOf(spec);
  const metadata = cluster.spec.podMetadata;
  return {
    metadata: {
      labels: { ...metadata?.labels, ...ownedLabels(cluster.metadata.name, 'node') },
      annotations: {
        ...metadata?.annotations,
        [annotations.podMetadata]: metadataNames(cluster.spec),
        [annotations.settings]: hashOf(settingFiles(cluster.spec, resolved)),
        [annotations.templateHash]: hash,
      },
    },
    spec,
    hash,
  };
}

/** Which labels and annotations of a pod came from spec.podMetadata, so that they can go again. */
export function metadataNames(spec: RDbClusterSpec): string {
  return JSON.stringify({
    labels: Object.keys(spec.podMetadata?.labels ?? {}).sort(),
    annotations: Object.keys(spec.podMetadata?.annotations ?? {}).sort(),
  });
}

function podSpec(cluster: RDbCluster, resolved: Resolved, image: string) {
  const { spec } = cluster;
  const names = objectNames(cluster.metadata.name);
  const scheduling = spec.scheduling ?? {};
  return {
    serviceAccountName: names.serviceAccount,
    // Variables of other Services could begin with RDB_, and an unknown one stops a node's start.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds,
    securityContext: {
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
      ...spec.podSecurityContext,
    },
    imagePullSecrets: nonEmpty(spec.imagePullSecrets?.map(({ name }) => ({ name }))),
    priorityClassName: scheduling.priorityClassName,
    nodeSelector: scheduling.nodeSelector,
    affinity: scheduling.affinity,
    tolerations: nonEmpty(scheduling.tolerations),
    topologySpreadConstraints: spread(cluster),
    containers: [container(cluster, resolved, image)],
    volumes: [
      {
        name: 'config',
        configMap: {
          name: names.configMap,
          // The seed is in the same ConfigMap, and is no setting that can be reloaded.
          items: Object.keys(settingFiles(spec, resolved)).map((key) => ({ key, path: key })),
        },
      },
    ],
  } satisfies Plain<V1PodSpec>;
}

function container(cluster: RDbCluster, resolved: Resolved, image: string) {
  const { spec } = cluster;
  return {
    name: CONTAINER,
    image,
    ...(spec.imagePullPolicy === undefined ? {} : { imagePullPolicy: spec.imagePullPolicy }),
    args: ['node'],
    env: environment(cluster, resolved),
    ports: Object.entries(ports).map(([name, containerPort]) => ({
      name,
      containerPort,
      protocol: 'TCP',
    })),
    resources: {
      ...quantities('requests', spec.resources.requests),
      ...quantities('limits', spec.resources.limits),
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [{ name: 'config', mountPath: CONFIG_DIRECTORY, readOnly: true }],
    // Both ask only whether the process moves; never the API server, peers or the role.
    startupProbe: { ...probe('/healthz'), periodSeconds: 1, failureThreshold: 60 },
    livenessProbe: { ...probe('/healthz'), periodSeconds: 10, failureThreshold: 3 },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 2, failureThreshold: 2 },
  };
}

function probe(path: string) {
  return { httpGet: { path, port: 'metrics', scheme: 'HTTP' }, timeoutSeconds: 5 };
}

function environment(cluster: RDbCluster, resolved: Resolved) {
  const { spec } = cluster;
  const names = objectNames(cluster.metadata.name);
  const fromPod = (name: string, fieldPath: string) => ({
    name,
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } },
  });
  const plain = (name: string, value: string | number) => ({ name, value: String(value) });
  return [
    plain('RDB_CLUSTER', cluster.metadata.name),
    plain('RDB_CLUSTER_ID', cluster.metadata.uid),
    fromPod('RDB_NAMESPACE', 'metadata.namespace'),
    fromPod('RDB_NODE', 'metadata.name'),
    fromPod('RDB_POD_UID', 'metadata.uid'),
    plain('RDB_SHARDS', spec.shards),
    plain('RDB_THREADS', resolved.threads),
    // Without the domain of the Kubernetes cluster, which nobody tells us: search lists complete it.
    plain('RDB_ADVERTISE_HOST', `$(RDB_NODE).${names.nodeService}.$(RDB_NAMESPACE).svc`),
    plain('RDB_RESP_PORT', ports.resp),
    plain('RDB_GRPC_PORT', ports.grpc),
    plain('RDB_PEER_PORT', ports.peer),
    plain('RDB_METRICS_PORT', ports.metrics),
    plain('RDB_MEMORY_BUDGET_PERCENT', spec.memory.budgetPercent),
    {
      name: HASH_SEED,
      valueFrom: { configMapKeyRef: { name: names.configMap, key: HASH_SEED } },
    },
    plain('RDB_LEASES', 'kubernetes'),
    plain('RDB_CONFIG_DIRECTORY', CONFIG_DIRECTORY),
    // The kubelet kills at the end of the grace period: the node must be done before.
    plain(
      'RDB_SHUTDOWN_GRACE_SECONDS',
      spec.terminationGracePeriodSeconds - limits.shutdownMarginSeconds,
    ),
  ];
}

/** Unset: over hosts, then over zones. A constraint without a selector means the cluster's pods. */
function spread(cluster: RDbCluster) {
  const matchLabels = podSelector(cluster.metadata.name);
  const given = cluster.spec.scheduling?.topologySpreadConstraints;
  if (given !== undefined) {
    return nonEmpty(
      given.map((constraint) => ({ labelSelector: { matchLabels }, ...constraint })),
    ) as V1PodSpec['topologySpreadConstraints'];
  }
  return [TOPOLOGY.host, TOPOLOGY.zone].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels },
  }));
}

function quantities(field: 'requests' | 'limits', amounts: Quantities | undefined) {
  if (amounts === undefined) return {};
  const canonical = Object.entries(amounts).map(([name, amount]) => [
    name,
    canonicalQuantity(amount),
  ]);
  return { [field]: Object.fromEntries(canonical) as Record<string, string> };
}

function nonEmpty<T>(items: readonly T[] | undefined): T[] | undefined {
  return items === undefined || items.length === 0 ? undefined : [...items];
}

/** The library's types name the fields; undefined ones are left out before anything is sent. */
type Plain<T> = { [K in keyof T]: T[K] | undefined };
