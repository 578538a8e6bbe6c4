/**
 * Asks nodes what they hold: over gRPC for the figures in the status; over HTTP, which only the operator uses, what
 * must be known of every replica before a Lease that was lost is made anew.
 */
import { credentials, Metadata } from '@grpc/grpc-js';
import { ClusterClient, type StatsResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import type { Address } from '@r-db/proto/leases.ts';
import { type NodeReplicas, parseReplicas } from '@r-db/proto/replicas.ts';
import { limits } from './limits.ts';

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
  const target = hostPort(host, port);
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

/** Undefined if the node does not answer in time, or says something else. */
export async function askReplicas(
  { host, port }: Address,
  timeoutMs: number,
): Promise<NodeReplicas | undefined> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(`http://${hostPort(host, port)}/replicas`, { signal });
    if (!response.ok) return undefined;
    const text = await bounded(response, limits.replicasBytesMax);
    return text === undefined ? undefined : parseReplicas(text);
  } catch {
    return undefined;
  }
}

async function bounded({ body }: Response, bytesMax: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
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
