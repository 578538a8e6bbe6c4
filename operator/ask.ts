/** Asks nodes over gRPC what they hold: for the figures in the status, and for Leases that were lost. */
import { credentials, Metadata } from '@grpc/grpc-js';
import { ClusterClient, type StatsResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import type { Address } from '@r-db/proto/leases.ts';

export interface ReplicaAnswer {
  readonly epoch: number;
  readonly generation: number;
  readonly sequence: bigint;
  readonly keys: number;
  readonly bytes: number;
}

export interface NodeAnswer {
  readonly node: string;
  readonly incarnation: string;
  /** By shard: the replicas that it has. */
  readonly replicas: ReadonlyMap<number, ReplicaAnswer>;
}

/** Undefined if the node does not answer in time. */
export async function askNode(
  { host, port }: Address,
  timeoutMs: number,
): Promise<NodeAnswer | undefined> {
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const client = new ClusterClient(target, credentials.createInsecure());
  try {
    const stats = await new Promise<StatsResponse>((resolve, reject) => {
      const deadline = Date.now() + timeoutMs;
      client.stats({}, new Metadata(), { deadline }, (error, response) => {
        if (error === null) resolve(response);
        else reject(error);
      });
    });
    return answerOf(stats);
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

export function answerOf({ node, incarnation, shards }: StatsResponse): NodeAnswer {
  const replicas = shards.map(
    ({ shard, epoch, generation, sequence, keys, bytes }) =>
      [
        shard,
        {
          epoch: Number(epoch),
          generation: Number(generation),
          sequence,
          keys: Number(keys),
          bytes: Number(bytes),
        },
      ] as const,
  );
  return { node, incarnation, replicas: new Map(replicas) };
}
