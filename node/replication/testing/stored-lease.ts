/** The Lease of a shard in a store in memory, as the operator makes it. */
import type { MemoryLeases } from '@r-db/leases/memory.ts';
import {
  formatShardLease,
  leaseLabels,
  type ShardLeaseContent,
  shardLeaseName,
} from '@r-db/proto/leases.ts';

export interface StoredLease {
  readonly cluster: string;
  readonly clusterId: string;
  readonly shard: number;
  readonly content: ShardLeaseContent;
}

export function storeShardLease(
  leases: MemoryLeases,
  { cluster, clusterId, shard, content }: StoredLease,
): void {
  const { annotations, spec } = formatShardLease(content, 0);
  const texts = Object.entries(annotations).filter(([, text]) => text !== null);
  leases.objects.create({
    metadata: {
      name: shardLeaseName(cluster, shard),
      labels: leaseLabels(cluster, 'Shard'),
      annotations: Object.fromEntries(texts),
      ownerReferences: [{ kind: 'RDbCluster', name: cluster, uid: clusterId }],
    },
    spec,
  });
}

/** Of a shard that nobody has led yet. */
export function newContent(assignment: readonly string[]): ShardLeaseContent {
  return {
    ...{ assignment, inSync: [], leader: undefined },
    ...{ epoch: 0, generation: 1, revision: 1, lastFailover: undefined },
  };
}
