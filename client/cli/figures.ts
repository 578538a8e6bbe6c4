/** What the nodes say of themselves, put beside the topology. */
import {
  type Client,
  type NodeStats,
  RdbError,
  type Topology,
  type TopologyNode,
  type TopologyShard,
} from '../mod.ts';

export interface NodeStatus {
  readonly node: TopologyNode;
  /** Shards that it leads by the topology. */
  readonly leads: number;
  /** Shards that it should hold a copy of. */
  readonly replicas: number;
  /** Of these, those whose in-sync set it is in. */
  readonly inSync: number;
  readonly stats: NodeStats | undefined;
  /** Why there are no figures. */
  readonly problem: string | undefined;
}

export interface ReplicaStatus {
  readonly node: string;
  readonly inSync: boolean;
  /** Of its last entry; undefined: the node did not say. */
  readonly sequence: number | undefined;
  /** Entries behind the leader. */
  readonly lag: number | undefined;
}

export function nodeStatuses(
  client: Client,
  topology: Topology,
  timeoutMs: number,
): Promise<NodeStatus[]> {
  return Promise.all(
    topology.nodes.map((node) => nodeStatus(client, topology, { node, timeoutMs })),
  );
}

/** The leader first. Nodes are asked one after the other: a busy shard's figures are a little apart. */
export function replicasOf(shard: TopologyShard, nodes: readonly NodeStatus[]): ReplicaStatus[] {
  const names = [...(shard.leader === undefined ? [] : [shard.leader]), ...shard.followers];
  const sequenceOf = (name: string | undefined): number | undefined => {
    const stats = nodes.find(({ node }) => node.name === name)?.stats;
    const found = stats?.shards.find((one) => one.shard === shard.shard);
    return found === undefined ? undefined : Number(found.sequence);
  };
  const leading = sequenceOf(shard.leader);
  return names.map((node) => {
    const sequence = sequenceOf(node);
    const lag =
      leading === undefined || sequence === undefined ? undefined : Math.max(0, leading - sequence);
    return { node, inSync: shard.inSync.includes(node), sequence, lag };
  });
}

/** Entries that the last of the followers is behind; undefined: there are none, or nobody knows. */
export function lagOf(shard: TopologyShard, nodes: readonly NodeStatus[]): number | undefined {
  const lags = replicasOf(shard, nodes)
    .filter(({ node }) => node !== shard.leader)
    .flatMap(({ lag }) => lag ?? []);
  return lags.length === 0 ? undefined : Math.max(...lags);
}

/** Whether all copies are in sync. */
export function isWhole({ leader, followers, inSync }: TopologyShard): boolean {
  return leader !== undefined && [leader, ...followers].every((name) => inSync.includes(name));
}

export function keysOf(stats: NodeStats): bigint {
  return stats.shards.reduce((sum, { keys }) => sum + keys, 0n);
}

async function nodeStatus(
  client: Client,
  topology: Topology,
  { node, timeoutMs }: { node: TopologyNode; timeoutMs: number },
): Promise<NodeStatus> {
  const held = topology.shards.filter(
    ({ leader, followers }) => leader === node.name || followers.includes(node.name),
  );
  const base = {
    node,
    leads: topology.shards.filter(({ leader }) => leader === node.name).length,
    replicas: held.length,
    inSync: held.filter(({ inSync }) => inSync.includes(node.name)).length,
  };
  if (node.grpc === undefined)
    return { ...base, stats: undefined, problem: 'its address is not known' };
  try {
    return { ...base, stats: await client.stats(node.grpc, { timeoutMs }), problem: undefined };
  } catch (error) {
    if (!(error instanceof RdbError)) throw error;
    return { ...base, stats: undefined, problem: error.message };
  }
}
