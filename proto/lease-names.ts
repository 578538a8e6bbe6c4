/** Names, labels and annotations of Leases. */

export const LABEL = {
  cluster: 'rdb.dev/cluster',
  kind: 'rdb.dev/kind',
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const ANNOTATION = {
  assignment: 'rdb.dev/assignment',
  inSync: 'rdb.dev/in-sync',
  generation: 'rdb.dev/generation',
  revision: 'rdb.dev/revision',
  lastFailover: 'rdb.dev/last-failover',
  addresses: 'rdb.dev/addresses',
  podUid: 'rdb.dev/pod-uid',
  version: 'rdb.dev/version',
  zone: 'rdb.dev/zone',
  host: 'rdb.dev/host',
} as const;

export const APP_NAME = 'r-db';
export const MANAGED_BY = 'r-db-operator';

/** A node Lease is renewed every 20 s and counts as stale after 60 s. */
export const NODE_LEASE_RENEW_MS = 20_000;
export const NODE_LEASE_DURATION_SECONDS = 60;

export type LeaseKind = 'Node' | 'Shard';

export function nodeLeaseName(cluster: string, ordinal: number): string {
  return `${cluster}-node-${ordinal}`;
}

export function shardLeaseName(cluster: string, shard: number): string {
  return `${cluster}-shard-${shard}`;
}

/** Ordinal in the name of a node Lease of this cluster, or undefined if it is none. */
export function nodeOfLeaseName(cluster: string, name: string): number | undefined {
  return numberAfter(`${cluster}-node-`, name);
}

/** Shard in the name of a shard Lease of this cluster, or undefined if it is none. */
export function shardOfLeaseName(cluster: string, name: string): number | undefined {
  return numberAfter(`${cluster}-shard-`, name);
}

/** Labels that select all Leases of one kind in a cluster. */
export function leaseSelector(cluster: string, kind: LeaseKind): Record<string, string> {
  return { [LABEL.cluster]: cluster, [LABEL.kind]: kind };
}

/** All labels of a Lease that the operator makes. */
export function leaseLabels(cluster: string, kind: LeaseKind): Record<string, string> {
  return {
    [LABEL.name]: APP_NAME,
    [LABEL.instance]: cluster,
    [LABEL.component]: kind.toLowerCase(),
    [LABEL.managedBy]: MANAGED_BY,
    ...leaseSelector(cluster, kind),
  };
}

function numberAfter(prefix: string, name: string): number | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const digits = name.slice(prefix.length);
  return /^(0|[1-9][0-9]{0,8})$/.test(digits) ? Number(digits) : undefined;
}
