/** What clients are told of the cluster, from what its Leases say. Pure. */

import { createHash } from 'node:crypto';
import type { NodeLeaseContent, ShardLeaseContent } from '@r-db/proto/leases.ts';
import { shardToSlots } from '@r-db/proto/slots.ts';
import type { NodeAddresses, Topology, TopologyNode, TopologyShard } from './types.ts';

export interface TopologyInput {
  readonly clusterId: string;
  /** Of the whole cluster. */
  readonly shards: number;
  /** By shard; missing where no readable Lease was seen. */
  readonly shardLeases: ReadonlyMap<number, ShardLeaseContent>;
  /** By node's name. */
  readonly nodeLeases: ReadonlyMap<string, NodeLeaseContent>;
}

/** The topology without its version, so that two can be compared. */
export function deriveTopology(input: TopologyInput): Omit<Topology, 'version'> {
  const shards = Array.from({ length: input.shards }, (_, shard) => deriveShard(input, shard));
  const names = new Set(input.nodeLeases.keys());
  for (const { leader, followers } of shards) {
    for (const name of [...followers, ...(leader === undefined ? [] : [leader])]) names.add(name);
  }
  const nodes = [...names].sort(byOrdinal).map((name) => deriveNode(input, name));
  return { clusterId: input.clusterId, nodes, shards };
}

/** 40 hexadecimal digits, as Redis Cluster has them: the same for a name in a cluster, always. */
export function nodeId(clusterId: string, name: string): string {
  return createHash('sha1').update(`${clusterId}/${name}`).digest('hex');
}

function deriveShard({ shards, shardLeases }: TopologyInput, shard: number): TopologyShard {
  const { firstSlot, lastSlot } = shardToSlots(shard, shards);
  const lease = shardLeases.get(shard);
  const leader = lease?.leader?.node;
  const inSync = lease?.inSync.map(({ node }) => node) ?? [];
  return {
    shard,
    firstSlot,
    lastSlot,
    leader,
    followers: [...new Set(inSync)].filter((node) => node !== leader),
    inSync: [...new Set(inSync)],
    epoch: lease?.epoch ?? 0,
    generation: lease?.generation ?? 0,
    ...(lease?.lastFailover && { lastFailover: lease.lastFailover }),
  };
}

function deriveNode({ clusterId, nodeLeases }: TopologyInput, name: string): TopologyNode {
  const lease = nodeLeases.get(name);
  return {
    name,
    id: nodeId(clusterId, name),
    addresses: addressesOf(lease),
    incarnation: lease?.member?.incarnation,
    zone: lease?.zone,
    host: lease?.host,
  };
}

function addressesOf(lease: NodeLeaseContent | undefined): NodeAddresses | undefined {
  const [resp] = lease?.addresses?.resp ?? [];
  const [grpc] = lease?.addresses?.grpc ?? [];
  const [peer] = lease?.addresses?.peer ?? [];
  return resp && grpc && peer ? { resp, grpc, peer } : undefined;
}

/** demo-2 before demo-10. */
function byOrdinal(left: string, right: string): number {
  const ordinal = (name: string): number => Number(name.slice(name.lastIndexOf('-') + 1));
  return ordinal(left) - ordinal(right) || (left < right ? -1 : 1);
}
