/** The service rdb.v1.Cluster. */
import type { ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import type {
  ClusterServer,
  ShardStats,
  StatsResponse,
  TopologyRequest,
  TopologyResponse,
  TransferLeadershipRequest,
  TransferLeadershipResponse,
} from '@r-db/proto/generated/rdb/v1/cluster.ts';
import type { Topology } from '../../agent/types.ts';
import { CallError, endWith, patienceOf, unary, writeMessage } from './calls.ts';
import type { GrpcContext } from './context.ts';
import { notLeader } from './leaders.ts';
import { HAND_OVER_BEGIN_SHARE, HAND_OVER_MS_MAX } from './limits.ts';
import { operationError, unimplemented } from './status.ts';
import { topologyMessage } from './topology.ts';

export function clusterService(
  context: GrpcContext,
  onFault: (fault: unknown) => void,
): ClusterServer {
  return {
    topology: (call) => {
      followTopology(context, call).catch((error: unknown) => endWith(call, error, onFault));
    },
    stats: unary(async () => stats(context), onFault),
    transferLeadership: unary((call) => transfer(context, call), onFault),
    moveReplica: (_call, callback) => callback(unimplemented('Cluster.MoveReplica')),
  };
}

/** Tells what changed since what was told last: a client that reads slowly gets fewer, larger steps. Ends when the node drains. */
async function followTopology(
  context: GrpcContext,
  call: ServerWritableStream<TopologyRequest, TopologyResponse>,
): Promise<void> {
  let told: Topology | undefined;
  let wake = (): void => undefined;
  const unsubscribe = context.topology.subscribe(() => wake());
  const wakeUp = (): void => wake();
  call.once('cancelled', wakeUp);
  context.closing.addEventListener('abort', wakeUp);
  try {
    while (!call.cancelled && !context.closing.aborted) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const current = context.topology.current();
      if (current !== undefined && current !== told) {
        const message = topologyMessage(context, current, told);
        if (message !== undefined && !(await writeMessage(call, message))) return;
        told = current;
        continue;
      }
      await changed;
    }
    call.end();
  } finally {
    unsubscribe();
    context.closing.removeEventListener('abort', wakeUp);
  }
}

/** Answers once the topology shows the new leader, or the node says why it goes on leading. */
async function transfer(
  context: GrpcContext,
  call: ServerUnaryCall<TransferLeadershipRequest, TransferLeadershipResponse>,
): Promise<TransferLeadershipResponse> {
  const { topology, engine, identity, handOver, clock } = context;
  const { shard, to } = call.request;
  if (shard >= engine.arena.options.shards) {
    throw new CallError(operationError('INVALID', `there is no shard ${shard}`));
  }
  const before = topology.current()?.shards[shard];
  if (before?.leader !== identity.node) throw new CallError(notLeader(context, shard));
  if (to === identity.node) return { epoch: BigInt(before.epoch) };
  const leftMs = patienceOf(call, clock).deadlineMs - clock.monotonicMs();
  const forMs = Math.max(0, Math.min(HAND_OVER_MS_MAX, leftMs));
  const done = Promise.withResolvers<number>();
  const unsubscribe = topology.subscribe(() => {
    const now = topology.current()?.shards[shard];
    if (now !== undefined && now.epoch > before.epoch) done.resolve(now.epoch);
  });
  const timer = setTimeout(() => {
    const message = `shard ${shard} is not led by ${to} after ${Math.round(forMs)} ms: is it in sync?`;
    done.reject(new CallError(operationError('SHARD_MOVING', message)));
  }, forMs);
  try {
    const withinMs = forMs * HAND_OVER_BEGIN_SHARE;
    const refusal = await Promise.race([handOver({ shard, node: to, withinMs }), done.promise]);
    if (typeof refusal === 'object') {
      throw new CallError(operationError(refusal.reason, refusal.message));
    }
    return { epoch: BigInt(await done.promise) };
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

function stats(context: GrpcContext): StatsResponse {
  const { engine, identity, figures } = context;
  const { budget, used, records, index, buffers } = engine.memoryStatistics();
  const { uptimeMs, connections } = figures();
  return {
    node: identity.node,
    incarnation: identity.incarnation,
    version: identity.version,
    uptimeMs: BigInt(Math.floor(uptimeMs)),
    memory: {
      budget: BigInt(budget),
      used: BigInt(used),
      records: BigInt(records),
      index: BigInt(index),
      buffers: BigInt(buffers),
    },
    shards: Array.from({ length: engine.arena.options.shards }, (_, shard) =>
      shardStats(context, shard),
    ).filter((one) => one !== undefined),
    connections,
    expiredKeys: BigInt(engine.expiredKeys()),
  };
}

/** Undefined: this node has no replica of the shard. What a follower has applied is told with the epoch that it has heard of. */
function shardStats(
  { engine, identity, topology }: GrpcContext,
  shard: number,
): ShardStats | undefined {
  const serving = engine.serving(shard);
  const leader = serving.role === 'leader';
  const known = topology.current()?.shards[shard];
  const held = leader ? serving : known?.followers.includes(identity.node) ? known : undefined;
  if (held === undefined) return undefined;
  const { keys, bytes, sequence } = engine.shardStatistics(shard);
  return {
    shard,
    leader,
    epoch: BigInt(held.epoch),
    generation: BigInt(held.generation),
    sequence,
    keys: BigInt(keys),
    bytes: BigInt(bytes),
  };
}
