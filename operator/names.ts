/** Names, labels and annotations of what the operator makes. */
import { APP_NAME, LABEL, MANAGED_BY } from '@r-db/proto/leases.ts';

/** Label by which everything of a cluster is found. */
export const LABEL_CLUSTER = LABEL.cluster;

export const annotations = {
  /** Hash of the pod template a pod was made from. */
  templateHash: 'rdb.dev/template-hash',
  /** Hash of what the operator last wrote into an object. */
  appliedHash: 'rdb.dev/applied-hash',
  /** On the StatefulSet: a second copy of the hash seed, should the ConfigMap be deleted. */
  hashSeed: 'rdb.dev/hash-seed',
  /** On the ConfigMap: generations of shards of which the loss before them has been told. */
  told: 'rdb.dev/told-generations',
  /** On pods: names of labels and annotations that spec.podMetadata gave them. */
  podMetadata: 'rdb.dev/pod-metadata',
  /** On pods: hash of the settings that nodes reload. Its change makes the kubelet look at the ConfigMap at once. */
  settings: 'rdb.dev/settings-hash',
  /** On the RDbCluster, by a person: shards, or the hash of a template. */
  acceptDataLoss: 'rdb.dev/accept-data-loss',
} as const;

export const TOPOLOGY = {
  host: 'kubernetes.io/hostname',
  zone: 'topology.kubernetes.io/zone',
} as const;

export const ports = { resp: 6379, grpc: 7379, peer: 8379, metrics: 9121 } as const;

/** Where the ConfigMap is mounted. */
export const CONFIG_DIRECTORY = '/etc/rdb';
export const CONTAINER = 'node';
export const HASH_SEED = 'RDB_HASH_SEED';

export function objectNames(cluster: string) {
  return {
    statefulSet: cluster,
    clientService: cluster,
    nodeService: `${cluster}-nodes`,
    configMap: `${cluster}-config`,
    serviceAccount: `${cluster}-nodes`,
    role: `${cluster}-nodes`,
    roleBinding: `${cluster}-nodes`,
    disruptionBudget: cluster,
  } as const;
}

export function nodeName(cluster: string, ordinal: number): string {
  return `${cluster}-${ordinal}`;
}

/** Ordinal of a pod of this cluster, or undefined if the name is none of its. */
export function ordinalOf(cluster: string, node: string): number | undefined {
  if (!node.startsWith(`${cluster}-`)) return undefined;
  const digits = node.slice(cluster.length + 1);
  return /^(0|[1-9][0-9]{0,4})$/.test(digits) ? Number(digits) : undefined;
}

/** Labels of everything that belongs to a cluster. */
export function ownedLabels(cluster: string, component: string): Record<string, string> {
  return {
    [LABEL.name]: APP_NAME,
    [LABEL.instance]: cluster,
    [LABEL.component]: component,
    [LABEL.managedBy]: MANAGED_BY,
    [LABEL.cluster]: cluster,
  };
}

/** What selects a cluster's pods: short, and never changed, since selectors can't be. */
export function podSelector(cluster: string): Record<string, string> {
  return {
    [LABEL.name]: APP_NAME,
    [LABEL.instance]: cluster,
    [LABEL.component]: 'node',
  };
}

export function selectorText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}
