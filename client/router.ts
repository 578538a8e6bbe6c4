/** Sends each operation to the leader of its shard, and again where the table of errors says that this helps. */
import { randomFillSync } from 'node:crypto';
import { keyToShard } from '@r-db/proto/slots.ts';
import { backoffMs } from './backoff.ts';
import { Batcher } from './batcher.ts';
import { Channel } from './channel.ts';
import { RdbError, type Reason, retryOf } from './errors.ts';
import { TopologyFollower } from './follower.ts';
import { type Attempt, Job, type JobTime, type Target } from './job.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  CONNECT_AHEAD_MS,
  OPERATION_BYTES_MAX,
  OPERATIONS_MAX,
  REDIRECTS_AT_ONCE_MAX,
  SESSIONS_ENDED_MAX,
} from './limits.ts';
import type { Operation } from './operations.ts';
import { Sessions } from './sessions.ts';
import {
  inSyncAddresses,
  isNewer,
  leaderAddress,
  replicaAddresses,
  type Topology,
} from './topology.ts';

interface Node {
  readonly channel: Channel;
  readonly batcher: Batcher;
}

/** Reasons that tell of a node that is gone, or of a topology that nobody keeps up. */
const FOUND_NOBODY: ReadonlySet<Reason> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'OUTCOME_UNKNOWN',
  'NO_LEADER',
]);

export class Router {
  readonly follower: TopologyFollower;
  readonly #nodes = new Map<string, Node>();
  readonly #seeds: ReadonlySet<string>;
  readonly #jobs = new Set<Job>();
  readonly #sessions = new Sessions({ nowMs: Date.now, random: (bytes) => randomFillSync(bytes) });
  /** Jobs that wait before their next try, by shard: a new leader ends the wait. */
  readonly #waiting = new Map<Job, NodeJS.Timeout>();
  #connectingAhead: NodeJS.Timeout | undefined;
  #bytes = 0;
  #closed = false;
  #idle: (() => void) | undefined;
  #topology: Topology | undefined;
  #topologyListeners = new Set<(topology: Topology) => void>();

  constructor(seeds: readonly string[]) {
    this.#seeds = new Set(seeds);
    this.follower = new TopologyFollower({
      seeds,
      channelOf: (address) => this.channel(address),
      onChange: (topology) => this.#onTopology(topology),
    });
  }

  /** Operations that are not answered yet. */
  get outstanding(): number {
    return this.#jobs.size;
  }

  /** The operation's answer, or an RdbError. */
  async run<Result>(operation: Operation<Result>, time: JobTime): Promise<Result> {
    if (this.#closed) throw new RdbError('CLOSED', 'the client is closed');
    time.signal?.throwIfAborted();
    const topology = this.follower.current;
    if (topology === undefined) throw new RdbError('UNAVAILABLE', 'there is no topology yet');
    if (
      this.#jobs.size >= OPERATIONS_MAX ||
      (this.#jobs.size > 0 && this.#bytes + operation.bytes > OPERATION_BYTES_MAX)
    ) {
      throw new RdbError(
        'OVERLOADED',
        `${this.#jobs.size} operations wait for answers already: await some first`,
      );
    }
    const shard = keyToShard(operation.request.value.key, topology.shards.length);
    const job = new Job(operation, shard, time, (settled) => this.#onSettled(settled));
    this.#jobs.add(job);
    this.#bytes += operation.bytes;
    this.#dispatch(job);
    return operation.read(await job.done);
  }

  /** The connection to a node; made when it is first asked for. */
  channel(address: string): Channel {
    return this.#node(address).channel;
  }

  onTopology(listener: (topology: Topology) => void): () => void {
    this.#topologyListeners.add(listener);
    return () => this.#topologyListeners.delete(listener);
  }

  /** Takes nothing new; resolves when all that is out has been answered or has timed out. */
  async drain(): Promise<void> {
    this.#closed = true;
    if (this.#jobs.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of [...this.#jobs]) {
      const reason = job.doubts > 0 && !job.operation.reads ? 'OUTCOME_UNKNOWN' : 'CLOSED';
      job.fail(new RdbError(reason, 'the client was closed before the answer came'));
    }
    clearTimeout(this.#connectingAhead);
    const stopped = this.follower.stop();
    for (const { channel } of this.#nodes.values()) channel.close();
    await stopped;
    this.#nodes.clear();
  }

  #dispatch(job: Job): void {
    const target = this.#targetOf(job);
    const attempt = job.attempt(target);
    if (target !== undefined) {
      this.#node(target.address).batcher.add(attempt);
      return;
    }
    const error = new RdbError('NO_LEADER', `no node is known to lead shard ${job.shard}`);
    this.#onFailure(attempt, error);
  }

  /** The leader; for reads that any replica may answer, every other time any of them, and while there is no leader. */
  #targetOf({ operation, shard, attempts }: Job): Target | undefined {
    const topology = this.follower.current;
    if (topology === undefined) return undefined;
    const leader = leaderAddress(topology, shard);
    if (operation.anyReplica && (attempts % 2 === 0 || leader === undefined)) {
      const replicas = replicaAddresses(topology, shard);
      const address = replicas[Math.floor(Math.random() * replicas.length)];
      return address === undefined ? undefined : { address, asLeader: false };
    }
    return leader === undefined ? undefined : { address: leader, asLeader: true };
  }

  #onFailure({ job }: Attempt, error: RdbError): void {
    job.lastError = error;
    if (error.leader !== undefined) this.follower.hint(error.leader);
    const retry = retryOf(error.reason);
    if (error.reason === 'DEADLINE_EXCEEDED') job.timeouts++;
    if (FOUND_NOBODY.has(error.reason)) this.follower.doubt();
    if (retry === 'elsewhere' && ++job.redirects <= REDIRECTS_AT_ONCE_MAX) this.#dispatch(job);
    else if (error.retryable || (retry === 'same-request' && job.repeatable))
      this.#wait(job, error);
    else if (error.reason === 'SESSION_ENDED' && this.#renewSession(job)) this.#dispatch(job);
    else job.fail(error);
  }

  /** A write that certainly did not happen may take another name; of one that may have, the caller must know. */
  #renewSession(job: Job): boolean {
    if (job.id === undefined || job.doubts > 0) return false;
    if (++job.sessionsEnded > SESSIONS_ENDED_MAX) return false;
    this.#sessions.end(job.id.session);
    job.forgetId();
    return true;
  }

  #wait(job: Job, error: RdbError): void {
    const range = { minMs: BACKOFF_MS_MIN, maxMs: BACKOFF_MS_MAX };
    const waitMs =
      error.retryAfterMs === 0
        ? 0
        : Math.max(error.retryAfterMs ?? 0, backoffMs(job.attempts, range, Math.random));
    const timer = setTimeout(() => {
      this.#waiting.delete(job);
      if (!job.settled) this.#dispatch(job);
    }, waitMs);
    this.#waiting.set(job, timer);
  }

  #onSettled(job: Job): void {
    this.#jobs.delete(job);
    this.#bytes -= job.operation.bytes;
    clearTimeout(this.#waiting.get(job));
    this.#waiting.delete(job);
    if (this.#jobs.size === 0) this.#idle?.();
  }

  #onTopology(topology: Topology): void {
    const before = this.#topology;
    this.#topology = topology;
    const moved = (shard: number): boolean =>
      isNewer(topology.shards[shard], before?.shards[shard]);
    this.#wakeWaiting(topology, moved);
    if (topology.shards.some(({ shard }) => moved(shard))) this.#followLeaders(topology, moved);
    this.#closeUnused(topology);
    this.#connectAhead();
    for (const listener of [...this.#topologyListeners]) listener(topology);
  }

  /** What is out to a node that no longer leads goes to the new leader, where that can't do harm: the old one may hang. */
  #followLeaders(topology: Topology, moved: (shard: number) => boolean): void {
    for (const job of [...this.#jobs]) {
      if (job.target === undefined || !job.target.asLeader || !moved(job.shard)) continue;
      const leader = leaderAddress(topology, job.shard);
      if (leader === undefined || leader === job.target.address) continue;
      if (this.#waiting.has(job) || !job.repeatable) continue;
      this.#dispatch(job);
    }
  }

  /** Who waits because nobody led the shard, or for its old leader, goes on as soon as there is a new one. */
  #wakeWaiting(topology: Topology, moved: (shard: number) => boolean): void {
    for (const [job, timer] of [...this.#waiting]) {
      const leader = leaderAddress(topology, job.shard);
      if (leader === undefined) continue;
      // Without a new leadership it is only a hint, and nodes may disagree for ever.
      if (job.target !== undefined && (leader === job.target.address || !moved(job.shard)))
        continue;
      clearTimeout(timer);
      this.#waiting.delete(job);
      this.#dispatch(job);
    }
  }

  /** One connection to each node that may be the next leader of a shard: opened before it is. */
  #connectAhead(): void {
    if (this.#closed) return;
    this.#connectingAhead ??= setTimeout(() => {
      this.#connectingAhead = undefined;
      const topology = this.follower.current;
      if (topology === undefined || this.#closed) return;
      for (const address of inSyncAddresses(topology)) this.channel(address).open();
    }, CONNECT_AHEAD_MS);
  }

  /** Nodes that left the cluster: their connections would try for ever. */
  #closeUnused(topology: Topology): void {
    const used = new Set(topology.nodes.map(({ grpc }) => grpc));
    for (const [address, { channel, batcher }] of this.#nodes) {
      if (used.has(address) || this.#seeds.has(address) || batcher.busy) continue;
      channel.close();
      this.#nodes.delete(address);
    }
  }

  #node(address: string): Node {
    const known = this.#nodes.get(address);
    if (known !== undefined) return known;
    const channel = new Channel(address);
    const batcher = new Batcher({
      channel,
      sessions: () => (this.follower.current?.retriesOnce ? this.#sessions : undefined),
      onFailure: (attempt, error) => this.#onFailure(attempt, this.#explained(address, error)),
    });
    const node = { channel, batcher };
    this.#nodes.set(address, node);
    return node;
  }
  /** The topology names addresses that only the cluster's own network may know. */
  #explained(address: string, error: RdbError): RdbError {
    const nodes = this.follower.current?.nodes ?? [];
    const reached = nodes.some(({ grpc = '' }) => {
      return this.#seeds.has(grpc) || this.#nodes.get(grpc)?.channel.wasReady;
    });
    if (error.reason !== 'UNAVAILABLE' || reached) return error;
    const seeds = [...this.#seeds].join(', ');
    const message = `the topology names ${address} as the leader, and it can't be reached from here; a port-forward, proxy or load balancer at ${seeds} is not enough (${error.message})`;
    return new RdbError('UNAVAILABLE', message, { cause: error });
  }
}
