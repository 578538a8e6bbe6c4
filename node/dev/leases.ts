/** Makes the Leases of a cluster as an operator would: before its nodes, evenly assigned. */

import type { LeaseAdmin, NewLease } from '@r-db/leases/store.ts';
import {
  formatNodeLease,
  formatShardLease,
  type LeaseKind,
  type LeaseWrite,
  leaseLabels,
  nodeLeaseName,
  shardLeaseName,
} from '@r-db/proto/leases.ts';

export interface ClusterShape {
  readonly cluster: string;
  /** UID of the cluster object, which owns the Leases. */
  readonly clusterId: string;
  readonly nodes: number;
  readonly shards: number;
  /** Copies of every shard, at most `nodes`. Default: 1. */
  readonly replicationFactor?: number;
  /** The node that is to lead all shards; undefined: all share them. */
  readonly leader?: number | undefined;
}

/** Throws LeaseStoreError, `AlreadyExists` among others. */
export async function makeLeases(admin: LeaseAdmin, shape: ClusterShape): Promise<void> {
  for (let ordinal = 0; ordinal < shape.nodes; ordinal++) {
    await admin.create(newNodeLease(shape, ordinal));
  }
  for (let shard = 0; shard < shape.shards; shard++) {
    await admin.create(newShardLease(shape, shard));
  }
}

/**
 * Free, at epoch 0; neighbouring shards are led by one node, so that slot ranges stay long, and their followers
 * spread over all others.
 */
function newShardLease(shape: ClusterShape, shard: number): NewLease {
  const { cluster, nodes, shards, replicationFactor = 1 } = shape;
  const leader = shape.leader ?? Math.floor((shard * nodes) / shards);
  const followers = Array.from({ length: nodes - 1 }, (_, index) => {
    const turned = (index + shard) % (nodes - 1);
    return (leader + 1 + turned) % nodes;
  });
  const assignment = [leader, ...followers].slice(0, replicationFactor);
  const write = formatShardLease(
    {
      assignment: assignment.map((ordinal) => `${cluster}-${ordinal}`),
      inSync: [],
      leader: undefined,
      epoch: 0,
      generation: 1,
      revision: 1,
      lastFailover: undefined,
    },
    0,
  );
  return newLease(shape, { name: shardLeaseName(cluster, shard), kind: 'Shard', write });
}

function newNodeLease(shape: ClusterShape, ordinal: number): NewLease {
  const write = formatNodeLease({
    member: undefined,
    addresses: undefined,
    podUid: undefined,
    version: undefined,
    zone: undefined,
    host: undefined,
    renewTimeMs: undefined,
    revision: 1,
  });
  return newLease(shape, { name: nodeLeaseName(shape.cluster, ordinal), kind: 'Node', write });
}

function newLease(
  { cluster, clusterId }: ClusterShape,
  { name, kind, write }: { name: string; kind: LeaseKind; write: LeaseWrite },
): NewLease {
  const texts = Object.entries(write.annotations).filter(([, text]) => text !== null);
  return {
    name,
    labels: leaseLabels(cluster, kind),
    annotations: Object.fromEntries(texts) as Record<string, string>,
    spec: write.spec,
    ownerReferences: [
      { apiVersion: 'rdb.dev/v1alpha1', kind: 'RDbCluster', name: cluster, uid: clusterId },
    ],
  };
}
