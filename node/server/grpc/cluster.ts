/** The service rdb.v1.Cluster. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type {
  ClusterServer,
  ShardStats,
  StatsResponse,
  TopologyRequest,
  TopologyResponse,
} from '@r-db/proto/generated/rdb/v1/cluster.ts';
import type { Topology } from '../../agent/types.ts';
import { endWith, unary, writeMessage } from './calls.ts';
import type { GrpcContext } from './context.ts';
import { unimplemented } from './status.ts';
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
    transferLeadership: (_call, callback) => callback(unimplemented('Cluster.TransferLeadership')),
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

function stats({ engine, identity, figures }: GrpcContext): StatsResponse {
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
      shardStats(engine, shard),
    ).filter((one) => one !== undefined),
    connections,
    expiredKeys: BigInt(engine.expiredKeys()),
  };
}

function shardStats(engine: GrpcContext['engine'], shard: number): ShardStats | undefined {
  const serving = engine.serving(shard);
  if (serving.role !== 'leader') return undefined;
  const { keys, bytes, sequence } = engine.shardStatistics(shard);
  return {
    shard,
    leader: true,
    epoch: BigInt(serving.epoch),
    generation: BigInt(serving.generation),
    sequence,
    keys: BigInt(keys),
    bytes: BigInt(bytes),
  };
}
