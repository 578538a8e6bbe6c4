/** A RESP server in the test's own process: engine, listener, a topology; no Leases, no workers. */
import { shardToSlots } from '@r-db/proto/slots.ts';
import type { Address, NodeIdentity, Topology } from '../../agent/types.ts';
import { readSettings } from '../../config/read.ts';
import type { Settings } from '../../config/schema.ts';
import { minimalEnvironment } from '../../config/testing/minimal.ts';
import { freePort } from '../../dev/free-ports.ts';
import { attachEngine, createArena } from '../../engine/engine.ts';
import type { Engine } from '../../engine/types.ts';
import { Batches } from '../../replication/batches.ts';
import { systemClock } from '../clock.ts';
import type { Services } from '../context.ts';
import { RespServer, type Times } from '../resp-server.ts';
import { makeStatistics, ProcessStatistics } from '../statistics.ts';
import { TopologyHolder } from '../topology.ts';
import { Turn } from '../turn.ts';

export interface Served extends AsyncDisposable {
  readonly port: number;
  readonly engine: Engine;
  readonly services: Services;
  readonly statistics: ProcessStatistics;
  readonly topology: TopologyHolder;
  readonly servers: readonly RespServer[];
  change(settings: Partial<Settings>): void;
  /** Makes this node the leader of a shard, or not. */
  lead(shard: number, leads: boolean): void;
}

export interface ServeOptions {
  readonly threads?: number;
  readonly shards?: number;
  readonly budgetBytes?: number;
  readonly valueBytesMax?: number;
  readonly settings?: Partial<Settings>;
  readonly times?: Times;
}

export async function serve(options: ServeOptions = {}): Promise<Served> {
  const {
    threads = 1,
    shards = 4,
    budgetBytes = 64 * 2 ** 20,
    valueBytesMax = 16 * 2 ** 20,
  } = options;
  const arena = createArena({
    reservedBytes: budgetBytes * 2 + 64 * 2 ** 20,
    budgetBytes,
    threads,
    shards,
    hashSeed: 42n,
    keyBytesMax: 65_536,
    valueBytesMax,
  });
  const engines = Array.from({ length: threads }, (_, thread) => attachEngine(arena, thread));
  const [engine] = engines;
  if (engine === undefined) throw new Error('no threads');
  let settings: Settings = {
    ...readSettings({ flags: new Map(), environment: minimalEnvironment }),
    shards,
    ...options.settings,
  };
  const shared = makeStatistics(threads);
  const statistics = new ProcessStatistics(shared, threads);
  const topology = new TopologyHolder();
  const servers: RespServer[] = [];
  // Threads share a port that the kernel can't choose for all of them.
  const port = threads > 1 ? await freePort() : 0;
  const identity = identityAt({ host: '127.0.0.1', port });
  const all = engines.map(
    (own, thread): Services => ({
      engine: own,
      batches: new Batches({ engine: own, onGathered: () => undefined }),
      clock: systemClock(),
      turn: new Turn(),
      identity,
      topology,
      statistics,
      thread,
      threads,
      budgetBytes,
      startedMs: Date.now(),
      settings: () => settings,
      ask: async (question) => servers.map((server) => server.answer(question)),
    }),
  );
  for (const [thread, services] of all.entries()) {
    const row = statistics.rows[thread];
    if (row === undefined) throw new Error('no row');
    const reusePort = threads > 1;
    servers.push(
      await RespServer.start({
        services,
        statistics: row,
        host: '127.0.0.1',
        port,
        reusePort,
        ...(options.times === undefined ? {} : { times: options.times }),
      }),
    );
  }
  const lead = (shard: number, leads: boolean) =>
    engine.publish(
      shard,
      leads
        ? {
            role: 'leader',
            epoch: 1,
            generation: 1,
            readUntilMs: Number.POSITIVE_INFINITY,
            writable: true,
          }
        : { role: 'elsewhere' },
    );
  for (let shard = 0; shard < shards; shard++) {
    engine.createShard(shard);
    lead(shard, true);
  }
  const [first] = servers;
  const [services] = all;
  if (first === undefined || services === undefined) throw new Error('no threads');
  topology.set(ownTopology(shards, { host: '127.0.0.1', port: first.port }));
  return {
    port: first.port,
    engine,
    services,
    statistics,
    topology,
    servers,
    lead,
    change: (changes) => {
      settings = { ...settings, ...changes };
    },
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) server.destroy();
    },
  };
}

/** One node that leads everything. */
export function ownTopology(shards: number, resp: Address, version = 1): Topology {
  const { addresses, incarnation } = identityAt(resp);
  return {
    clusterId: 'b7a1',
    version,
    nodes: [
      {
        name: 'demo-0',
        id: 'd'.repeat(40),
        addresses,
        incarnation,
        zone: undefined,
        host: undefined,
      },
    ],
    shards: Array.from({ length: shards }, (_, shard) => ({
      shard,
      ...shardToSlots(shard, shards),
      leader: 'demo-0',
      followers: [],
      inSync: ['demo-0'],
      epoch: 1,
      generation: 1,
    })),
  };
}

function identityAt(resp: Address): NodeIdentity {
  return {
    cluster: 'demo',
    clusterId: 'b7a1',
    node: 'demo-0',
    ordinal: 0,
    podUid: '',
    incarnation: '00000000000000aa',
    addresses: {
      resp,
      grpc: { host: resp.host, port: resp.port + 1000 },
      peer: { host: resp.host, port: resp.port + 2000 },
    },
    version: '0.0.0-test',
  };
}
