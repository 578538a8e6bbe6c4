/**
 * A data thread: its engine, its RESP listener; in the replication home also gRPC and the cores of all shards. `thread.ts` puts it into
 * a worker; it knows the main thread by messages only.
 */
import { channelStore } from '@r-db/leases/channel.ts';
import type { HostLink } from '../agent/link.ts';
import type { Settings } from '../config/schema.ts';
import { attachEngine } from '../engine/engine.ts';
import { Batches } from '../replication/batches.ts';
import { ShardTime } from '../replication/shard-time.ts';
import {
  type HostInThread,
  type HostInThreadOptions,
  startShardHost,
} from '../replication/start.ts';
import { AwayEnd, HomeEnd, replicationHome } from '../replication/thread-links.ts';
import { systemClock } from './clock.ts';
import type { Services } from './context.ts';
import type { GrpcServer } from './grpc/server.ts';
import { listen } from './listen.ts';
import { makeLog } from './log.ts';
import { watchLoopDelay } from './loop-delay.ts';
import type { FromThread, ThreadStart, ToThread } from './messages.ts';
import { Questioner } from './questioner.ts';
import { RespServer } from './resp-server.ts';
import { schedulerOn } from './scheduler.ts';
import { ProcessStatistics } from './statistics.ts';
import { Sweeper } from './sweeper.ts';
import { TopologyHolder } from './topology.ts';
import { Turn } from './turn.ts';

/** Starts the thread; the function returned takes the main thread's messages. */
export function startDataThread(
  start: ThreadStart,
  post: (message: FromThread) => void,
): (message: ToThread) => void {
  const thread = new DataThread(start, post);
  void thread.listen();
  return (message) => thread.heard(message);
}

class DataThread {
  readonly #start: ThreadStart;
  readonly #post: (message: FromThread) => void;
  readonly #services: Services;
  readonly #topology = new TopologyHolder();
  readonly #questioner: Questioner;
  readonly #sweeper: Sweeper;
  readonly #host: HostInThread | undefined;
  readonly #away: AwayEnd | undefined;
  readonly #log;
  #settings;
  readonly #time: ShardTime;
  #resp: RespServer | undefined;
  #grpc: GrpcServer | undefined;

  constructor(start: ThreadStart, post: (message: FromThread) => void) {
    const { arena, identity, thread, threads } = start;
    const wall = systemClock();
    this.#time = new ShardTime({
      wallMs: wall.nowMs,
      monotonicMs: wall.monotonicMs,
      offset: start.shardTime,
      onTrouble: (message) => this.#log.error({}, message),
    });
    const clock = { nowMs: () => this.#time.nowMs(), monotonicMs: wall.monotonicMs };
    const engine = attachEngine(arena, thread);
    this.#start = start;
    this.#post = post;
    this.#settings = start.settings;
    this.#log = makeLog({ level: start.settings.logLevel, node: identity.node, thread });
    this.#questioner = new Questioner(post);
    const batches = new Batches({ engine, onGathered: (shard) => this.#gathered(shard) });
    this.#services = {
      engine,
      batches,
      turn: new Turn(),
      clock,
      identity,
      topology: this.#topology,
      statistics: new ProcessStatistics(start.statistics, threads),
      thread,
      threads,
      budgetBytes: arena.options.budgetBytes,
      startedMs: start.startedMs,
      settings: () => this.#settings,
      ask: (question) => this.#questioner.ask(question),
    };
    this.#sweeper = new Sweeper({ engine, batches, clock, thread, threads });
    const row = this.#services.statistics.rows[thread];
    if (start.link !== undefined) {
      const home = new HomeEnd(start.links, (shard) => this.#gathered(shard));
      this.#host = this.#startHost(start.link, {
        onResolved: (batch, outcome) => {
          batches.resolve(batch.shard, batch.batch, outcome);
          this.#resp?.batchOver(batch.shard);
          home.resolved(batch, outcome);
          if (outcome === 'committed') {
            row?.observeCommit((clock.monotonicMs() - batch.sealedMs) / 1000);
          }
        },
        onAbandoned: (shard) => {
          batches.abandon(shard);
          this.#resp?.batchOver(shard);
          home.abandoned(shard);
        },
      });
    } else {
      this.#away = new AwayEnd(start.links, {
        onResolved: (shard, batch, outcome) => batches.resolve(shard, batch, outcome),
        onAbandoned: (shard) => batches.abandon(shard),
      });
    }
    this.#measure();
  }

  /** The replication home: all shards of this node. */
  #startHost(
    link: HostLink,
    heard: Pick<HostInThreadOptions, 'onResolved' | 'onAbandoned'>,
  ): HostInThread {
    const { identity, settings, seed, host } = this.#start;
    const { engine, clock, statistics, thread, turn } = this.#services;
    const row = statistics.rows[thread];
    return startShardHost({
      link,
      identity,
      shards: settings.shards,
      hashSeed: settings.hashSeed,
      totalLoss: settings.totalLoss,
      replication: replicationOf(settings),
      engine,
      store: channelStore(link.leases),
      scheduler: schedulerOn(clock),
      atTurnEnd: (task) => turn.on('replicate', task),
      wallMs: () => Date.now(),
      shardTime: this.#time,
      seed,
      ...heard,
      onPeers: (count) => row?.set('peersUp', count),
      onRefused: ({ message }, byPeer) => {
        row?.add('peerRefusals', 1);
        this.#log.error({ byPeer }, `a connection between nodes was refused: ${message}`);
      },
      listen: async (server) => {
        try {
          await listen(server, { host, port: settings.peerPort, reusePort: false });
        } catch (error) {
          const message = (error as Error).message;
          this.#post({ kind: 'failed', setting: 'RDB_PEER_PORT', message });
        }
      },
    });
  }

  #gathered(shard: number): void {
    this.#host?.gathered(shard);
    this.#away?.gathered(shard);
  }

  async listen(): Promise<void> {
    const { host, threads, thread } = this.#start;
    const { statistics } = this.#services;
    const row = statistics.rows[thread];
    if (row === undefined) {
      throw new Error(`no statistics for thread ${thread}`);
    }
    let setting = 'RDB_RESP_PORT';
    try {
      this.#resp = await RespServer.start({
        services: this.#services,
        statistics: row,
        host,
        port: this.#settings.respPort,
        reusePort: threads > 1,
        endsBatches: thread === replicationHome,
      });
      if (thread !== replicationHome) {
        this.#post({ kind: 'listening', respPort: this.#resp.port, grpcPort: undefined });
        return;
      }
      setting = 'RDB_GRPC_PORT';
      // Loaded while the other threads start: it is the slowest part of a start.
      const { startGrpc } = await import('./grpc/server.ts');
      this.#grpc = await startGrpc({
        ...this.#services,
        figures: () => ({
          uptimeMs: Date.now() - this.#start.startedMs,
          connections: statistics.connections() + statistics.sum('grpcConnections'),
        }),
        otherLeader: (shard) => this.#host?.otherLeader(shard),
        sessions: (shard) => this.#host?.sessions(shard),
        handOver: async (order) => this.#host?.handOver(order),
        host,
        port: this.#settings.grpcPort,
        connectionsMax: this.#settings.connectionsMax,
        onUnrecorded: endThread,
        onFault: (fault) => this.#log.error({ fault }, 'a gRPC call failed inside the node'),
      });
    } catch (error) {
      this.#post({ kind: 'failed', setting, message: (error as Error).message });
      return;
    }
    this.#grpc.setServing(true);
    this.#post({ kind: 'listening', respPort: this.#resp.port, grpcPort: this.#grpc.port });
  }

  heard(message: ToThread): void {
    switch (message.kind) {
      case 'topology':
        this.#topology.set(message.topology);
        this.#host?.setTopology(message.topology);
        break;
      case 'settings':
        this.#settings = message.settings;
        this.#log.level = message.settings.logLevel;
        this.#host?.setTotalLoss(message.settings.totalLoss);
        this.#host?.setReplication(replicationOf(message.settings));
        break;
      case 'ask': {
        const answer = this.#resp?.answer(message.question) ?? [];
        this.#post({ kind: 'answer', number: message.number, answer });
        break;
      }
      case 'answers':
        this.#questioner.answered(message.number, message.answers);
        break;
      case 'stopping':
        this.#grpc?.setServing(false);
        break;
      case 'drain':
        void this.#drain(message.graceMs);
        break;
    }
  }

  /** Whoever has not left when the grace is over is cut off. */
  async #drain(graceMs: number): Promise<void> {
    this.#sweeper.stop();
    const late = setTimeout(() => this.#resp?.destroy(), graceMs);
    await Promise.all([this.#resp?.drain(), this.#grpc?.close(graceMs)]);
    clearTimeout(late);
    await this.#host?.[Symbol.asyncDispose]();
    this.#post({ kind: 'drained' });
  }

  #measure(): void {
    const row = this.#services.statistics.rows[this.#start.thread];
    watchLoopDelay(({ mean, p99, max }) => {
      row?.set('loopDelayMeanSeconds', mean);
      row?.set('loopDelayP99Seconds', p99);
      row?.set('loopDelayMaxSeconds', max);
      row?.set('grpcConnections', this.#grpc?.connections() ?? 0);
      if (this.#host !== undefined) row?.set('clockBehindSeconds', this.#time.behindMs / 1000);
    });
  }
}

function replicationOf(settings: Settings): HostInThreadOptions['replication'] {
  const { minInSyncReplicas: minInSync, promiseMilliseconds: promiseMs } = settings;
  return { minInSync, promiseMs };
}

/** Uncaught, it ends the thread, and with it the process. Not thrown to who is answering a client. */
function endThread(fault: unknown): void {
  process.nextTick(() => {
    throw fault;
  });
}
