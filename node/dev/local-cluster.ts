/**
 * A cluster on this machine: processes instead of pods, Leases in this process' memory instead of an API
 * server, this process instead of operator and kubelet. For `npm start`, `rdb dev` and tests.
 *
 *     await using cluster = await startLocalCluster({ ports: await freePorts(3) });
 */

import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { serveLeasesOnSocket } from '@r-db/leases/channel-socket.ts';
import {
  type MemoryFault,
  MemoryLeases,
  type MemoryRequest,
  type Outage,
} from '@r-db/leases/memory.ts';
import type { LeaseStore } from '@r-db/leases/store.ts';
import {
  leaseSelector,
  parseShardLease,
  type ShardLeaseContent,
  shardLeaseName,
  shardOfLeaseName,
} from '@r-db/proto/leases.ts';
import { LocalClusterError } from './errors.ts';
import { makeLeases } from './leases.ts';
import { limits } from './limits.ts';
import { NodeProcess } from './node-process.ts';
import { checkPorts, LOCALHOST, type NodePorts } from './ports.ts';

/** Where it can't be written, Node.js goes without. */
export const compileCache = fileURLToPath(
  new URL('../../node_modules/.cache/node-compile', import.meta.url),
);

export interface LocalClusterOptions {
  /** One entry a node. */
  readonly ports: readonly NodePorts[];
  /** Default: local. Nodes are local-0, local-1, ... */
  readonly cluster?: string;
  readonly shards?: number;
  readonly threads?: number;
  /** Copies of every shard. Default: 3, or as many as there are nodes. */
  readonly replicationFactor?: number;
  /** Default: half of them, rounded up. */
  readonly minInSyncReplicas?: number;
  /** Default: 1000. */
  readonly promiseMilliseconds?: number;
  /** Ordinal of the node that is to lead all shards. Default: all share them. */
  readonly leader?: number;
  readonly totalLoss?: 'Reset' | 'Hold';
  /** Bytes for each node. */
  readonly memoryLimitBytes?: number;
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
  /** Variables that the nodes inherit; `RDB_*` among them are left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A line of a node's log. */
  readonly onLine?: (node: string, line: string) => void;
  /** A node died and is started again. */
  readonly onDeath?: (node: string, how: string) => void;
  readonly signal?: AbortSignal;
}

/** Throws LocalClusterError before anything is started, or when a node does not come up. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  await checkPorts(options.ports);
  const cluster = await LocalCluster.create(options);
  try {
    await cluster.ready({ timeoutMs: limits.readyTimeoutMs, signal: options.signal });
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

export class LocalCluster implements AsyncDisposable {
  readonly name: string;
  readonly shards: number;
  readonly nodes: readonly NodeProcess[];
  readonly ports: readonly NodePorts[];
  readonly #leases: MemoryLeases;
  readonly #ending: AsyncDisposableStack;
  #ended: Promise<void> | undefined;

  static async create(options: LocalClusterOptions): Promise<LocalCluster> {
    const { cluster = 'local', shards = 64, ports } = options;
    const ending = new AsyncDisposableStack();
    const leases = new MemoryLeases({ scheduler: realScheduler });
    const replicationFactor = options.replicationFactor ?? Math.min(3, ports.length);
    const shape = {
      cluster,
      clusterId: randomUUID(),
      nodes: ports.length,
      shards,
      replicationFactor,
      leader: options.leader,
    };
    await makeLeases(leases.client('supervisor'), shape);
    const directory = await mkdtemp(join(tmpdir(), 'rdb-'));
    ending.defer(() => rm(directory, { recursive: true, force: true }));
    const hashSeed = randomBytes(8).toString('hex');
    const ways: Pick<NodeEnvironment, 'name' | 'socket' | 'own'>[] = [];
    for (const [ordinal, own] of ports.entries()) {
      const name = `${cluster}-${ordinal}`;
      const socket = join(directory, `${ordinal}.sock`);
      ending.use(await serveLeasesOnSocket({ path: socket, store: leases.client(name) }));
      ways.push({ name, socket, own });
    }
    const nodes = ways.map((way) => {
      const { name } = way;
      return new NodeProcess({
        name,
        environment: environmentOf(options, { ...shape, hashSeed, ...way }),
        onLine: (line) => options.onLine?.(name, line),
        onDeath: (how) => options.onDeath?.(name, how),
      });
    });
    ending.defer(async () => {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    });
    return new LocalCluster(options, { leases, nodes, ending });
  }

  private constructor(
    { cluster = 'local', shards = 64, ports }: LocalClusterOptions,
    made: {
      readonly leases: MemoryLeases;
      readonly nodes: readonly NodeProcess[];
      readonly ending: AsyncDisposableStack;
    },
  ) {
    this.name = cluster;
    this.shards = shards;
    this.ports = ports;
    this.nodes = made.nodes;
    this.#leases = made.leases;
    this.#ending = made.ending;
  }

  /** The cluster's Leases, as its nodes see them. */
  get leases(): LeaseStore {
    return this.#leases.client('observer');
  }

  /** Makes the store go away for the nodes: `frozen` does not answer, `refusing` is not there. */
  setOutage(outage: Outage): void {
    for (const { name } of this.nodes) this.#leases.setOutage(outage, name);
  }

  /** What goes wrong with requests to the store: `client` is the name of a node. */
  setFault(fault: (request: MemoryRequest) => MemoryFault | undefined): void {
    this.#leases.setFault(fault);
  }

  /** What the Lease of a shard says now. */
  shard(shard: number): ShardLeaseContent {
    const lease = this.#leases.objects.get(shardLeaseName(this.name, shard));
    const parsed = lease === undefined ? undefined : parseShardLease(lease);
    if (!parsed?.ok) throw new LocalClusterError(`shard ${shard} has no readable Lease`);
    return parsed.content;
  }

  /** Resolves once `test` holds for what the Leases say; index = shard. */
  async until(
    test: (shards: readonly ShardLeaseContent[]) => boolean,
    {
      timeoutMs,
      signal,
    }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    const contents = new Map<number, ShardLeaseContent>();
    const held = Promise.withResolvers<void>();
    await using _watch = this.leases.watch(leaseSelector(this.name, 'Shard'), ({ lease }) => {
      const shard = shardOfLeaseName(this.name, lease.name);
      const parsed = parseShardLease(lease);
      if (shard === undefined || !parsed.ok) return;
      contents.set(shard, parsed.content);
      if (contents.size < this.shards) return;
      const byShard = [...contents].sort(([left], [right]) => left - right);
      if (test(byShard.map(([, content]) => content))) held.resolve();
    });
    const limit = deadline(timeoutMs, signal);
    await Promise.race([held.promise, aborted(limit)]);
  }

  /** Every shard has a leader, every node answers that it is ready. */
  async ready({
    timeoutMs,
    signal,
  }: {
    readonly timeoutMs: number;
    readonly signal?: AbortSignal | undefined;
  }): Promise<void> {
    const limit = deadline(timeoutMs, signal);
    try {
      const led = this.until(
        (shards) => shards.every(({ leader, inSync }) => leader !== undefined && inSync.length > 0),
        { timeoutMs, signal: limit },
      );
      const up = this.ports.map((ports, ordinal) => this.#nodeReady(ordinal, ports, limit));
      await Promise.all([led, ...up]);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof LocalClusterError) throw error;
      throw new LocalClusterError(
        `the cluster was not ready in ${timeoutMs} ms${this.#lastLines()}`,
      );
    }
  }

  /** Ends every process; nothing of the cluster is left. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#ended ??= this.#ending.disposeAsync();
    return this.#ended;
  }

  async #nodeReady(ordinal: number, { metrics }: NodePorts, signal: AbortSignal): Promise<void> {
    const node = this.nodes[ordinal];
    const starts = node?.starts ?? 0;
    while (!(await isReady(metrics))) {
      // One that ends right after its start won't do better next time.
      if (node !== undefined && node.starts > starts + 1) {
        throw new LocalClusterError(`${node.name} does not start${this.#lastLines()}`);
      }
      await wait(limits.readyPollMs, undefined, { signal });
    }
  }

  #lastLines(): string {
    const lines = this.nodes.flatMap(({ name, lines }) => lines.map((line) => `${name}: ${line}`));
    return lines.length === 0 ? '' : `:\n${lines.join('\n')}`;
  }
}

interface NodeEnvironment {
  readonly cluster: string;
  readonly clusterId: string;
  readonly shards: number;
  readonly replicationFactor: number;
  readonly socket: string;
  readonly hashSeed: string;
  readonly name: string;
  readonly own: NodePorts;
}

function environmentOf(
  options: LocalClusterOptions,
  { cluster, clusterId, shards, replicationFactor, socket, hashSeed, name, own }: NodeEnvironment,
): Record<string, string> {
  const inherited = Object.entries(options.environment ?? {}).filter(
    ([key, value]) => value !== undefined && !key.startsWith('RDB_'),
  );
  return {
    // A node's start is mostly the reading of its source: what was compiled once is kept.
    NODE_COMPILE_CACHE: compileCache,
    ...(Object.fromEntries(inherited) as Record<string, string>),
    RDB_CLUSTER: cluster,
    RDB_CLUSTER_ID: clusterId,
    RDB_NODE: name,
    // As a pod's: the same for every start of this node's process.
    RDB_POD_UID: randomUUID(),
    RDB_SHARDS: String(shards),
    RDB_THREADS: String(options.threads ?? 1),
    RDB_BIND_ADDRESS: LOCALHOST,
    RDB_ADVERTISE_HOST: LOCALHOST,
    RDB_RESP_PORT: String(own.resp),
    RDB_GRPC_PORT: String(own.grpc),
    RDB_PEER_PORT: String(own.peer),
    RDB_METRICS_PORT: String(own.metrics),
    RDB_MEMORY_LIMIT: String(options.memoryLimitBytes ?? limits.memoryLimitBytes),
    RDB_MIN_IN_SYNC_REPLICAS: String(options.minInSyncReplicas ?? Math.ceil(replicationFactor / 2)),
    RDB_PROMISE_MILLISECONDS: String(options.promiseMilliseconds ?? 1_000),
    RDB_TOTAL_LOSS: options.totalLoss ?? 'Reset',
    RDB_HASH_SEED: hashSeed,
    RDB_LEASES: `socket:${socket}`,
    RDB_LOG_LEVEL: options.logLevel ?? 'info',
    RDB_SHUTDOWN_GRACE_SECONDS: String(limits.stopGraceMs / 1_000 - 1),
  };
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: LOCALHOST, port, path: '/readyz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('error', () => resolve(false));
  });
}

function deadline(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
