/** Topology as messages: everything first, then what changed. */
import type {
  LastFailover as FailoverInfo,
  NodeInfo,
  ShardInfo,
  TopologyResponse,
} from '@r-db/proto/generated/rdb/v1/cluster.ts';
import type { LastFailover } from '@r-db/proto/leases.ts';
import type { Topology, TopologyNode, TopologyShard } from '../../agent/types.ts';
import type { GrpcContext } from './context.ts';

/** `told` is what the client knows; undefined: nothing yet. Undefined back: nothing that it can see changed. */
export function topologyMessage(
  context: Pick<GrpcContext, 'identity' | 'engine'>,
  current: Topology,
  told: Topology | undefined,
): TopologyResponse | undefined {
  const toldNodes = new Map(told?.nodes.map((node) => [node.name, JSON.stringify(nodeInfo(node))]));
  const nodes = current.nodes
    .map(nodeInfo)
    .filter((node) => toldNodes.get(node.name) !== JSON.stringify(node));
  const names = new Set(current.nodes.map((node) => node.name));
  const removedNodes = [...toldNodes.keys()].filter((name) => !names.has(name));
  const shards = current.shards
    .filter((shard, i) => !sameShard(shard, told?.shards[i]))
    .map(shardInfo);
  if (told !== undefined && nodes.length + removedNodes.length + shards.length === 0)
    return undefined;
  return {
    clusterId: current.clusterId,
    version: BigInt(current.version),
    complete: told === undefined,
    nodes,
    removedNodes,
    shards,
    shardsTotal: current.shards.length,
    info: told === undefined ? clusterInfo(context) : undefined,
  };
}

function clusterInfo({
  identity,
  engine,
}: Pick<GrpcContext, 'identity' | 'engine'>): NonNullable<TopologyResponse['info']> {
  const { keyBytesMax, valueBytesMax } = engine.arena.options;
  const { cluster, node, version } = identity;
  return { cluster, node, version, retriesOnce: true, keyBytesMax, valueBytesMax };
}

function nodeInfo(node: TopologyNode): NodeInfo {
  return {
    name: node.name,
    id: node.id,
    incarnation: node.incarnation ?? '',
    grpc: node.addresses && { ...node.addresses.grpc },
    resp: node.addresses && { ...node.addresses.resp },
    zone: node.zone ?? '',
    host: node.host ?? '',
  };
}

function shardInfo(shard: TopologyShard): ShardInfo {
  return {
    shard: shard.shard,
    firstSlot: shard.firstSlot,
    lastSlot: shard.lastSlot,
    leader: shard.leader ?? '',
    followers: [...shard.followers],
    inSync: [...shard.inSync],
    epoch: BigInt(shard.epoch),
    generation: BigInt(shard.generation),
    lastFailover: shard.lastFailover && failoverInfo(shard.lastFailover),
  };
}

function failoverInfo(failover: LastFailover): FailoverInfo {
  return {
    node: failover.node,
    cause: failover.cause,
    timeMs: BigInt(Date.parse(failover.time)),
    detectionMs: BigInt(Math.round(failover.detectionMilliseconds)),
    promotionMs: BigInt(Math.round(failover.promotionMilliseconds)),
  };
}

function sameShard(a: TopologyShard, b: TopologyShard | undefined): boolean {
  return (
    b !== undefined &&
    a.leader === b.leader &&
    a.epoch === b.epoch &&
    a.generation === b.generation &&
    a.lastFailover?.time === b.lastFailover?.time &&
    sameList(a.followers, b.followers) &&
    sameList(a.inSync, b.inSync)
  );
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
