/** Who leads what, as the nodes tell it; the pure part. */
import type {
  LastFailover as FailoverInfo,
  NodeInfo,
  ShardInfo,
  TopologyResponse,
} from '@r-db/proto/generated/rdb/v1/cluster.ts';
import type { LastFailover } from '@r-db/proto/leases.ts';
import { formatAddress } from './addresses.ts';
import type { LeaderAddress } from './errors.ts';

/** A node as clients see it. */
export interface TopologyNode {
  readonly name: string;
  readonly id: string;
  readonly incarnation: string;
  /** `host:port`; undefined while not known. */
  readonly grpc: string | undefined;
  readonly resp: string | undefined;
  readonly zone: string;
  readonly host: string;
}

export interface TopologyShard {
  readonly shard: number;
  readonly firstSlot: number;
  readonly lastSlot: number;
  /** Undefined: nobody leads it. */
  readonly leader: string | undefined;
  readonly followers: readonly string[];
  readonly inSync: readonly string[];
  readonly epoch: number;
  readonly generation: number;
  /** How it last changed its leader without a hand-over; undefined: it never did, or nobody knows. */
  readonly lastFailover?: LastFailover | undefined;
}

/** The cluster at one time. */
export interface Topology {
  readonly cluster: string;
  readonly clusterId: string;
  /** Version of r_db on the node that told it. */
  readonly version: string;
  /** Whether the nodes remember answers, so that a write sent again under its name happens once. */
  readonly retriesOnce: boolean;
  readonly nodes: readonly TopologyNode[];
  /** Index = shard. */
  readonly shards: readonly TopologyShard[];
}

/**
 * Applies what a node told. A message of another node may be older than what is known: of each
 * shard, the higher (generation, epoch) stays. Undefined: it can't be applied (a change to nothing).
 */
export function applyTopology(
  known: Topology | undefined,
  told: TopologyResponse,
): Topology | undefined {
  const base = known !== undefined && known.clusterId === told.clusterId ? known : undefined;
  if (base === undefined && !told.complete) return undefined;
  const nodes = new Map(told.complete ? [] : base?.nodes.map((node) => [node.name, node]));
  for (const node of told.nodes) nodes.set(node.name, fromNode(node));
  for (const name of told.removedNodes) nodes.delete(name);
  const shards =
    base === undefined || base.shards.length !== told.shardsTotal ? [] : [...base.shards];
  for (const shard of told.shards) {
    const before = shards[shard.shard];
    const after = fromShard(shard);
    if (before === undefined || !isOlder(after, before)) shards[shard.shard] = after;
  }
  for (let shard = 0; shard < told.shardsTotal; shard++) shards[shard] ??= unknownShard(shard);
  return {
    cluster: told.info?.cluster ?? base?.cluster ?? '',
    clusterId: told.clusterId,
    version: told.info?.version ?? base?.version ?? '',
    retriesOnce: told.info?.retriesOnce ?? base?.retriesOnce ?? false,
    nodes: [...nodes.values()].sort((a, b) =>
      a.name.localeCompare(b.name, 'en', { numeric: true }),
    ),
    shards,
  };
}

/** Applies what a NOT_LEADER said: the best guess until the topology tells. */
export function applyHint(known: Topology, { shard, node, grpc }: LeaderAddress): Topology {
  const before = known.shards[shard];
  if (before === undefined || grpc === undefined) return known;
  const address = formatAddress(grpc);
  const nodes = known.nodes.some(({ name }) => name === node)
    ? known.nodes.map((one) => (one.name === node ? { ...one, grpc: address } : one))
    : [...known.nodes, { ...UNKNOWN_NODE, name: node, grpc: address }];
  const shards = known.shards.map((one) => (one.shard === shard ? { ...one, leader: node } : one));
  return { ...known, nodes, shards };
}

/** gRPC address of the shard's leader; undefined: nobody leads it, or nobody knows where. */
export function leaderAddress(topology: Topology, shard: number): string | undefined {
  const leader = topology.shards[shard]?.leader;
  if (leader === undefined) return undefined;
  return topology.nodes.find(({ name }) => name === leader)?.grpc;
}

/** gRPC addresses of the replicas that may answer reads: those in sync, the leader too; if none are known, all. */
export function replicaAddresses(topology: Topology, shard: number): string[] {
  const { leader, followers = [], inSync = [] } = topology.shards[shard] ?? {};
  const all = leader === undefined ? followers : [leader, ...followers];
  const names = all.filter((name) => inSync.includes(name));
  return (names.length > 0 ? names : all).flatMap(
    (name) => topology.nodes.find((node) => node.name === name)?.grpc ?? [],
  );
}

/** gRPC addresses of the nodes that lead a shard, or are in sync with it and may lead it next. */
export function inSyncAddresses({ nodes, shards }: Topology): string[] {
  const names = new Set(shards.flatMap(({ leader, inSync }) => [leader, ...inSync]));
  return nodes.flatMap(({ name, grpc }) => (names.has(name) && grpc !== undefined ? [grpc] : []));
}

/** Whether `a` tells of a later leadership than `b`. */
export function isNewer(a: TopologyShard | undefined, b: TopologyShard | undefined): boolean {
  return a !== undefined && b !== undefined && isOlder(b, a);
}

const UNKNOWN_NODE = { id: '', incarnation: '', resp: undefined, zone: '', host: '' };

function unknownShard(shard: number): TopologyShard {
  const nobody = { leader: undefined, followers: [], inSync: [], epoch: 0, generation: 0 };
  return { shard, firstSlot: 0, lastSlot: 0, ...nobody };
}

function isOlder(a: TopologyShard, b: TopologyShard): boolean {
  return a.generation === b.generation ? a.epoch < b.epoch : a.generation < b.generation;
}

function fromNode({ name, id, incarnation, grpc, resp, zone, host }: NodeInfo): TopologyNode {
  return {
    name,
    id,
    incarnation,
    grpc: grpc && formatAddress(grpc),
    resp: resp && formatAddress(resp),
    zone,
    host,
  };
}

function fromShard(shard: ShardInfo): TopologyShard {
  return {
    shard: shard.shard,
    firstSlot: shard.firstSlot,
    lastSlot: shard.lastSlot,
    leader: shard.leader === '' ? undefined : shard.leader,
    followers: shard.followers,
    inSync: shard.inSync,
    epoch: Number(shard.epoch),
    generation: Number(shard.generation),
    ...(shard.lastFailover && { lastFailover: fromFailover(shard.lastFailover) }),
  };
}

function fromFailover(told: FailoverInfo): LastFailover {
  return {
    node: told.node,
    cause: told.cause,
    time: new Date(Number(told.timeMs)).toISOString(),
    detectionMilliseconds: Number(told.detectionMs),
    promotionMilliseconds: Number(told.promotionMs),
  };
}
