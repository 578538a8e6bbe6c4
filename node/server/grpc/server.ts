/**
 * The gRPC listener of a node. It stands in the replication home: there it is known which request IDs were
 * answered, and what became of a write.
 */
import { type ConnectionInjector, Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthService } from '@r-db/proto/generated/grpc/health/v1/health.ts';
import { ClusterService } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { KeyValueService } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import type { Engine } from '../../engine/types.ts';
import type { Batches } from '../../replication/batches.ts';
import { Listeners } from '../listeners.ts';
import { clusterService } from './cluster.ts';
import {
  type Clock,
  type GrpcContext,
  type GrpcIdentity,
  Parking,
  type ProcessFigures,
  type TopologySource,
} from './context.ts';
import { Health } from './health.ts';
import { keyValueService } from './key-value.ts';
import {
  CALLS_PER_CONNECTION_MAX,
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MESSAGE_OVERHEAD_BYTES_MAX,
  PARKED_BYTES_MAX,
  PARKED_OPERATIONS_MAX,
} from './limits.ts';
import { reflectionService, ServiceV1, ServiceV1alpha } from './reflection.ts';
import { tellTooLarge } from './too-large.ts';

export type { Clock, GrpcIdentity, ProcessFigures, TopologySource } from './context.ts';

export interface GrpcOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly topology: TopologySource;
  readonly identity: GrpcIdentity;
  /** Asked for at each Cluster.Stats. */
  readonly figures: () => ProcessFigures;
  readonly batches: Batches;
  readonly otherLeader: GrpcContext['otherLeader'];
  readonly sessions: GrpcContext['sessions'];
  readonly handOver: GrpcContext['handOver'];
  readonly onUnrecorded: GrpcContext['onUnrecorded'];
  /** Address to listen on, and port; 0: any free one. */
  readonly host: string;
  readonly port: number;
  /** Connections of this thread; more are closed at once. */
  readonly connectionsMax: number;
  /** A fault of the server in a call (the caller hears INTERNAL): for the log. */
  readonly onFault: (fault: unknown) => void;
}

export interface GrpcServer {
  readonly port: number;
  /** Connections of this thread. */
  connections(): number;
  /** Health from now on. Calls are taken either way. */
  setServing(serving: boolean): void;
  /** Takes no more connections, lets running calls end for at most `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void>;
}

/** Services by full name, as health and reflection list them. */
const SERVICES = ['rdb.v1.KeyValue', 'rdb.v1.Cluster'];
const STANDARD_SERVICES = [
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

/** Resolves when the port is open. Rejects with the error of `listen` (EADDRINUSE, EACCES). */
export async function startGrpc(options: GrpcOptions): Promise<GrpcServer> {
  const { keyBytesMax, valueBytesMax } = options.engine.arena.options;
  const server = new Server({
    'grpc.max_receive_message_length': keyBytesMax + valueBytesMax + MESSAGE_OVERHEAD_BYTES_MAX,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': CALLS_PER_CONNECTION_MAX,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.enable_channelz': 0,
    interceptors: [tellTooLarge],
  });
  const closing = new AbortController();
  const health = new Health(SERVICES, closing.signal);
  addServices(server, { health, closing: closing.signal }, options);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const open = { connections: 0 };
  const listeners = await startListeners(injector, open, options);
  return {
    port: listeners.port,
    connections: () => open.connections,
    setServing: (serving) => health.setServing(serving),
    close: (graceMs) => close({ server, injector, listeners, health, closing }, graceMs),
  };
}

function addServices(
  server: Server,
  { health, closing }: { health: Health; closing: AbortSignal },
  options: GrpcOptions,
): void {
  const { engine, clock, topology, identity, figures, batches, onFault } = options;
  const { otherLeader, sessions, handOver, onUnrecorded } = options;
  const parking = new Parking({ operationsMax: PARKED_OPERATIONS_MAX, bytesMax: PARKED_BYTES_MAX });
  const context = {
    engine,
    clock,
    topology,
    identity,
    figures,
    parking,
    batches,
    otherLeader,
    sessions,
    handOver,
    onUnrecorded,
    closing,
  };
  server.addService(KeyValueService, keyValueService(context, onFault));
  server.addService(ClusterService, clusterService(context, onFault));
  server.addService(HealthService, health.service);
  const reflection = reflectionService([...SERVICES, ...STANDARD_SERVICES]);
  server.addService(ServiceV1, reflection);
  server.addService(ServiceV1alpha, reflection);
}

async function startListeners(
  injector: ConnectionInjector,
  open: { connections: number },
  { host, port, connectionsMax }: GrpcOptions,
): Promise<Listeners> {
  return await Listeners.open({
    host,
    port,
    shared: false,
    sockets: { noDelay: true },
    onConnection: (socket) => {
      if (open.connections >= connectionsMax) {
        socket.destroy();
        return;
      }
      open.connections++;
      socket.once('close', () => {
        open.connections--;
      });
      injector.injectConnection(socket);
    },
  });
}

interface Running {
  readonly server: Server;
  readonly injector: ConnectionInjector;
  readonly listeners: Listeners;
  readonly health: Health;
  readonly closing: AbortController;
}

async function close(
  { server, injector, listeners, health, closing }: Running,
  graceMs: number,
): Promise<void> {
  health.setServing(false);
  closing.abort();
  const closed = listeners.close();
  injector.drain(graceMs);
  await closed;
  injector.destroy();
  server.forceShutdown();
}
