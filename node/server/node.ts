/**
 * A node's process, seen from its main thread: the arena, the data threads, the agent, the metrics port.
 * `main.ts` gives it a configuration and a LeaseStore; tests give it one in memory.
 */
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { LeaseStore } from '@r-db/leases/store.ts';
import { formatReplicas } from '@r-db/proto/replicas.ts';
import { Agent } from '../agent/agent.ts';
import type { NodeIdentity } from '../agent/types.ts';
import { readDirectory, reload, watchDirectory } from '../config/directory.ts';
import type { NodeConfiguration } from '../config/node.ts';
import type { Sources } from '../config/read.ts';
import type { Settings } from '../config/schema.ts';
import { attachEngine, createArena } from '../engine/engine.ts';
import type { Engine } from '../engine/types.ts';
import { makeShardTime } from '../replication/shard-time.ts';
import { makeThreadLinks, replicationHome, type ThreadLinks } from '../replication/thread-links.ts';
import { systemClock } from './clock.ts';
import { type Histograms, requestHistograms } from './histograms.ts';
import { startHttp } from './http.ts';
import { serverLimits } from './limits.ts';
import type { Logger } from './log.ts';
import { type LoopDelay, watchLoopDelay } from './loop-delay.ts';
import type { MetricSources } from './metrics.ts';
import { checkPorts } from './ports.ts';
import { schedulerOn } from './scheduler.ts';
import { makeStatistics, ProcessStatistics } from './statistics.ts';
import { serveLeases } from './store.ts';
import { DataThreads } from './threads.ts';

export interface NodeOptions {
  readonly configuration: NodeConfiguration;
  readonly sources: Sources;
  readonly store: LeaseStore;
  /** What the store, if it is Kubernetes' own, asks the API server: labels verb, code. */
  readonly kubernetesRequests: Histograms;
  readonly version: string;
  readonly log: Logger;
  /** Something without which the process can't go on. */
  readonly onFailure: (failure: Error) => void;
}

export class NodeProcess {
  readonly identity: NodeIdentity;
  readonly #options: NodeOptions;
  readonly #clock = systemClock();
  readonly #startedMs = Date.now();
  readonly #statistics: ProcessStatistics;
  readonly #engine: Engine;
  readonly #agent: Agent;
  readonly #threads: DataThreads;
  readonly #leaseRequests = requestHistograms();
  readonly #ending: Disposable[] = [];
  #http: Server | undefined;
  #mainLoop: LoopDelay = { mean: 0, p99: 0, max: 0 };
  #settings: Settings;
  #listening = false;
  #stopping: Promise<boolean> | undefined;

  /** Resolves when clients can connect. Throws PortError, or what the engine says to too little memory. */
  static async start(options: NodeOptions): Promise<NodeProcess> {
    const { configuration } = options;
    const host = await checkPorts(
      configuration.bindAddress,
      [
        { setting: 'RDB_RESP_PORT', port: configuration.respPort },
        { setting: 'RDB_GRPC_PORT', port: configuration.grpcPort },
        { setting: 'RDB_PEER_PORT', port: configuration.peerPort },
        { setting: 'RDB_METRICS_PORT', port: configuration.metricsPort },
      ].filter(({ port }) => port !== 0),
    );
    const node = new NodeProcess(options, host);
    node.#http = await startHttp(node.#httpSources(), { host, port: configuration.metricsPort });
    await node.#threads.listening;
    node.#listening = true;
    return node;
  }

  private constructor(options: NodeOptions, host: string) {
    const { configuration, log, store } = options;
    this.#options = options;
    this.#settings = configuration;
    this.identity = identityOf(configuration, options.version);
    const { threads, shards } = configuration;
    const arena = createArena({
      reservedBytes: configuration.budget.reservedBytes,
      budgetBytes: configuration.budget.budgetBytes,
      threads,
      shards,
      hashSeed: BigInt(`0x${configuration.hashSeed}`),
      keyBytesMax: configuration.keyBytesMax,
      valueBytesMax: configuration.valueBytesMax,
    });
    this.#engine = attachEngine(arena, threads);
    const statistics = makeStatistics(threads);
    this.#statistics = new ProcessStatistics(statistics, threads);
    this.#agent = new Agent({
      identity: this.identity,
      shards,
      store,
      scheduler: schedulerOn(this.#clock),
      wallMs: this.#clock.nowMs,
      random: Math.random,
      log,
      serveLeases,
      onRequest: ({ verb, code, seconds }) =>
        this.#leaseRequests.observe({ verb, result: code }, seconds),
    });
    const links = makeThreadLinks(threads);
    const { nowMs: wallMs, monotonicMs } = this.#clock;
    const shardTime = makeShardTime({ wallMs, monotonicMs });
    this.#threads = new DataThreads({
      starts: Array.from({ length: threads }, (_, thread) => ({
        arena,
        identity: this.identity,
        settings: configuration,
        host,
        thread,
        threads,
        statistics,
        startedMs: this.#startedMs,
        shardTime,
        link: thread === replicationHome ? this.#agent.link() : undefined,
        links: links[thread] as ThreadLinks,
        seed: randomBytes(4).readUInt32LE(),
      })),
      onFailure: options.onFailure,
    });
    this.#agent.subscribe(() => this.#topologyChanged());
    this.#agent.start();
    this.#ending.push(
      watchLoopDelay((delay) => {
        this.#mainLoop = delay;
      }),
    );
    this.#followDirectory();
  }

  get metricsPort(): number {
    const address = this.#http?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Ports that clients connect to. */
  ports(): Promise<{ readonly respPort: number; readonly grpcPort: number }> {
    return this.#threads.listening;
  }

  /** Why the node is not ready; undefined: it is. */
  unreadiness(): string | undefined {
    if (this.#stopping !== undefined) {
      return 'shutting down';
    }
    if (!this.#listening) {
      return 'the data threads are starting';
    }
    const { ready, reasons } = this.#agent.readiness();
    return ready ? undefined : reasons.join('; ');
  }

  /**
   * Gives up what it leads, takes no more connections, answers what is in flight, ends. True if all of that was
   * done within the grace.
   */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<boolean> {
    const graceMs = this.#settings.shutdownGraceSeconds * 1000;
    const deadlineMs = this.#clock.monotonicMs() + graceMs;
    // Health says so; but until others lead, clients are sent here, and must get in.
    this.#threads.tell({ kind: 'stopping' });
    const handedOver = await this.#agent.shutdown(graceMs * (1 - serverLimits.drainShare));
    await this.#threads.drain(Math.max(0, deadlineMs - this.#clock.monotonicMs()));
    await this.#agent[Symbol.asyncDispose]();
    for (const ending of this.#ending) {
      ending[Symbol.dispose]();
    }
    this.#http?.close();
    this.#http?.closeAllConnections();
    await this.#threads.terminate();
    return handedOver;
  }

  #topologyChanged(): void {
    const topology = this.#agent.current();
    if (topology === undefined) {
      return;
    }
    this.#threads.tell({ kind: 'topology', topology });
  }

  #followDirectory(): void {
    const { configurationDirectory } = this.#settings;
    if (configurationDirectory !== undefined) {
      const watcher = watchDirectory(configurationDirectory, () =>
        this.#reload(configurationDirectory),
      );
      this.#ending.push({ [Symbol.dispose]: () => watcher.close() });
    }
  }

  #reload(directory: string): void {
    const { log, sources } = this.#options;
    const { settings, changed, rejected } = reload(
      this.#settings,
      sources,
      readDirectory(directory),
    );
    for (const problem of rejected) {
      log.error({ directory }, `setting not taken: ${problem}`);
    }
    if (changed.length > 0) {
      this.#settings = settings;
      log.level = settings.logLevel;
      log.info({ changed }, 'settings reloaded');
      this.#threads.tell({ kind: 'settings', settings });
    }
  }

  #httpSources() {
    return {
      metrics: async (accept: string) => {
        const { expose } = await import('./exposition.ts');
        const followers = this.#settings.perShardMetrics ? await this.#agent.followers() : [];
        return await expose({ ...this.#metricSources(), followers }, accept);
      },
      sickness: () => this.#sickness(),
      unreadiness: () => this.unreadiness(),
      replicas: () => this.#replicas(),
    };
  }

  async #replicas(): Promise<string | undefined> {
    const replicas = await this.#agent.replicas();
    if (replicas === undefined) return undefined;
    const { node, incarnation, clusterId } = this.identity;
    const { minInSyncReplicas } = this.#settings;
    return formatReplicas({ node, incarnation, clusterId, minInSyncReplicas, replicas });
  }

  #sickness(): string | undefined {
    const nowMs = this.#clock.monotonicMs();
    const stuck = this.#statistics.rows.findIndex((row) => {
      const movedMs = row.get('movedMs');
      return movedMs > 0 && nowMs - movedMs > serverLimits.livenessMs;
    });
    return stuck < 0
      ? undefined
      : `data thread ${stuck} has not moved for ${serverLimits.livenessMs / 1000} s`;
  }

  #metricSources(): Omit<MetricSources, 'followers'> {
    return {
      version: this.identity.version,
      node: this.identity.node,
      statistics: this.#statistics,
      engine: this.#engine,
      perShard: this.#settings.perShardMetrics,
      startedMs: this.#startedMs,
      mainLoop: this.#mainLoop,
      monotonicMs: this.#clock.monotonicMs(),
      topology: this.#agent.current(),
      agent: this.#agent.statistics(),
      leaseRequests: this.#leaseRequests,
      kubernetesRequests: this.#options.kubernetesRequests,
    };
  }
}

function identityOf(configuration: NodeConfiguration, version: string): NodeIdentity {
  const { cluster, clusterId, node, podUid, advertiseHost: host } = configuration;
  return {
    cluster,
    clusterId,
    node,
    ordinal: Number(node.slice(node.lastIndexOf('-') + 1)),
    podUid,
    incarnation: randomBytes(8).toString('hex'),
    addresses: {
      resp: { host, port: configuration.respPort },
      grpc: { host, port: configuration.grpcPort },
      peer: { host, port: configuration.peerPort },
    },
    version,
  };
}
