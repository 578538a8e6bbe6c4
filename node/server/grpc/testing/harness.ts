/** A gRPC server over a given engine, on a free port, and what tests order about it. */
import {
  type ClientReadableStream,
  credentials,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '@r-db/proto/generated/google/rpc/error_details.ts';
import { Status } from '@r-db/proto/generated/google/rpc/status.ts';
import { ClusterClient } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { KeyValueClient } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { shardToSlots } from '@r-db/proto/slots.ts';
import type { Topology } from '../../../agent/types.ts';
import type { Engine } from '../../../engine/types.ts';
import { Batches } from '../../../replication/batches.ts';
import { Sessions } from '../../../replication/core/sessions.ts';
import type { HandOverOrder } from '../../../replication/host.ts';
import type { HandOverRefusal } from '../../../replication/orders.ts';
import { type GrpcServer, startGrpc } from '../server.ts';

export interface Harness extends AsyncDisposable {
  readonly server: GrpcServer;
  readonly address: string;
  readonly keyValue: KeyValueClient;
  readonly cluster: ClusterClient;
  readonly faults: unknown[];
  /** After which the process would have ended. */
  readonly unrecorded: readonly unknown[];
  /** Hand-overs that were asked for. */
  readonly handOvers: readonly HandOverOrder[];
  /** What comes of them. */
  readonly refusal: { handOver: HandOverRefusal | undefined };
  /** Resolves with the first of them. */
  asked(): Promise<void>;
  setTopology(topology: Topology | undefined): void;
  /** Who leads other shards than this node, by what is known before the topology tells it. */
  readonly otherLeaders: Map<number, string>;
}

export async function startHarness(engine: Engine, connectionsMax = 100): Promise<Harness> {
  const faults: unknown[] = [];
  const unrecorded: unknown[] = [];
  const tables = new Map<number, Sessions>();
  const sessions = (shard: number): Sessions => {
    const known = tables.get(shard) ?? new Sessions();
    tables.set(shard, known);
    return known;
  };
  const otherLeaders = new Map<number, string>();
  const handOvers: HandOverOrder[] = [];
  const refusal: Harness['refusal'] = { handOver: undefined };
  const asked = Promise.withResolvers<void>();
  const listeners = new Set<() => void>();
  let current: Topology | undefined;
  const server = await startGrpc({
    engine,
    clock: { nowMs: () => Date.now(), monotonicMs: () => Math.floor(performance.now()) },
    topology: {
      current: () => current,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    identity: {
      cluster: 'test',
      node: 'test-0',
      incarnation: '00000000000000aa',
      version: '0.1.0',
    },
    figures: () => ({ uptimeMs: 1234.5, connections: 3 }),
    batches: new Batches({ engine, onGathered: () => undefined }),
    otherLeader: (shard) => otherLeaders.get(shard),
    sessions,
    handOver: async (order) => {
      handOvers.push(order);
      asked.resolve();
      return refusal.handOver;
    },
    onUnrecorded: (fault) => unrecorded.push(fault),
    host: '127.0.0.1',
    port: 0,
    connectionsMax,
    onFault: (fault) => faults.push(fault),
  });
  const address = `127.0.0.1:${server.port}`;
  const options = { 'grpc.max_receive_message_length': -1, 'grpc.use_local_subchannel_pool': 1 };
  const keyValue = new KeyValueClient(address, credentials.createInsecure(), options);
  const cluster = new ClusterClient(address, credentials.createInsecure(), options);
  return {
    server,
    address,
    keyValue,
    cluster,
    faults,
    unrecorded,
    handOvers,
    refusal,
    otherLeaders,
    asked: () => asked.promise,
    setTopology: (topology) => {
      current = topology;
      for (const listener of [...listeners]) listener();
    },
    [Symbol.asyncDispose]: async () => {
      keyValue.close();
      cluster.close();
      await server.close(0);
    },
  };
}

/** A cluster of `shards` shards; `leaders[i % length]` leads shard i. */
export function topologyOf(shards: number, leaders: readonly string[], version = 1): Topology {
  const names = [...new Set([...leaders, 'test-0', 'test-1'])].filter((name) => name !== '').sort();
  return {
    clusterId: 'cluster-uid',
    version,
    nodes: names.map((name, i) => ({
      name,
      id: String(i).repeat(40),
      addresses: {
        resp: { host: '127.0.0.1', port: 6379 + i },
        grpc: { host: '127.0.0.1', port: 7379 + i },
        peer: { host: '127.0.0.1', port: 8379 + i },
      },
      incarnation: undefined,
      zone: undefined,
      host: undefined,
    })),
    shards: Array.from({ length: shards }, (_, shard) => {
      const leader = leaders[shard % leaders.length] || undefined;
      const members = leader === undefined ? [] : [leader];
      const range = shardToSlots(shard, shards);
      return { shard, ...range, leader, followers: [], inSync: members, epoch: 1, generation: 1 };
    }),
  };
}

type Unary<Request, Response> = (
  request: Request,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** A unary method as a promise. */
export function call<Request, Response>(
  client: object,
  method: Unary<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

/** What a failed call says. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<ReturnType<typeof readFailure>> {
  try {
    await promise;
  } catch (error) {
    return readFailure(error as ServiceError);
  }
  throw new Error('the call did not fail');
}

export function readFailure(error: { code: number; details: string; metadata: Metadata }): {
  code: number;
  message: string;
  reason?: string;
  metadata?: Record<string, string>;
  retryAfterMs?: number;
} {
  const { code, details: message, metadata } = error;
  const encoded = metadata.get('grpc-status-details-bin')[0];
  if (!(encoded instanceof Buffer)) return { code, message };
  const { details } = Status.decode(encoded);
  const info = details.find(
    ({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.ErrorInfo',
  );
  const retry = details.find(
    ({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.RetryInfo',
  );
  const { reason, metadata: more } = ErrorInfo.decode(info?.value ?? new Uint8Array(0));
  const delay = retry && RetryInfo.decode(retry.value).retryDelay;
  return {
    code,
    message,
    reason,
    metadata: more,
    ...(delay ? { retryAfterMs: Number(delay.seconds) * 1000 + delay.nanos / 1e6 } : {}),
  };
}

/** All messages of a server stream. */
export async function collect<Message>(stream: ClientReadableStream<Message>): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const message of stream as AsyncIterable<Message>) messages.push(message);
  return messages;
}
