import type { NewLease } from '@r-db/leases/store.ts';
import {
  formatNodeLease,
  formatShardLease,
  leaseLabels,
  nodeLeaseName,
  type ShardLeaseContent,
  shardLeaseName,
} from '@r-db/proto/leases.ts';
import type { RDbCluster } from '../resource.ts';
import { ownerReference } from './owned.ts';

/** There before the pod: it waits for it, and may not create it. */
export function buildNodeLease(cluster: RDbCluster, ordinal: number): NewLease {
  const { annotations, spec } = formatNodeLease({
    member: undefined,
    addresses: undefined,
    podUid: undefined,
    version: undefined,
    zone: undefined,
    host: undefined,
    renewTimeMs: undefined,
    revision: 1,
  });
  return newLease(cluster, nodeLeaseName(cluster.metadata.name, ordinal), 'Node', {
    annotations,
    spec,
  });
}

/** A shard that never held data: whoever is first in the assignment may take it. */
export function freshShard(assignment: readonly string[]): ShardLeaseContent {
  return {
    assignment,
    inSync: [],
    leader: undefined,
    epoch: 0,
    generation: 1,
    revision: 1,
    lastFailover: undefined,
  };
}

export function buildShardLease(
  cluster: RDbCluster,
  shard: number,
  content: ShardLeaseContent,
  nowMs: number,
): NewLease {
  const write = formatShardLease(content, nowMs);
  return newLease(cluster, shardLeaseName(cluster.metadata.name, shard), 'Shard', write);
}

function newLease(
  cluster: RDbCluster,
  name: string,
  kind: 'Node' | 'Shard',
  write: Pick<NewLease, 'spec'> & { annotations: Readonly<Record<string, string | null>> },
): NewLease {
  const annotations: Record<string, string> = {};
  for (const [annotation, value] of Object.entries(write.annotations)) {
    if (value !== null) annotations[annotation] = value;
  }
  return {
    name,
    labels: leaseLabels(cluster.metadata.name, kind),
    annotations,
    spec: write.spec,
    ownerReferences: [ownerReference(cluster)],
  };
}
