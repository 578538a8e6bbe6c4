/** Sends each operation to the leader of its shard, and again where the table of errors says that this helps. */
import { keyToShard } from '@r-db/proto/slots.ts';
import { backoffMs } from './backoff.ts';
import { Batcher } from './batcher.ts';
import { Channel } from './channel.ts';
import { RdbError, retryOf } from './errors.ts';
import { TopologyFollower } from './follower.ts';
import { Job, type JobTime } from './job.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  OPERATION_BYTES_MAX,
  OPERATIONS_MAX,
  REDIRECTS_AT_ONCE_MAX,
} from './limits.ts';
import type { Operation } from './operations.ts';
import { leaderAddress, type Topology } from './topology.ts';

interface Node {
  readonly channel: Channel;
  readonly batcher: Batcher;
}

export class Router {
  readonly follower: TopologyFollower;
  readonly #nodes = new Map<string, Node>();
  readonly #seeds: ReadonlySet<string>;
  readonly #jobs = new Set<Job>();
  /** Jobs that wait before their next try, by shard: a new leader ends the wait. */
  readonly #waiting = new Map<Job, NodeJS.Timeout>();
  #bytes = 0;
  #closed = false;
  #idle: (() => void) | undefined;
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
      const reason = job.sent && !job.operation.reads ? 'OUTCOME_UNKNOWN' : 'CLOSED';
      job.fail(new RdbError(reason, 'the client was closed before the answer came'));
    }
    const stopped = this.follower.stop();
    for (const { channel } of this.#nodes.values()) channel.close();
    await stopped;
    this.#nodes.clear();
  }

  #dispatch(job: Job): void {
    const topology = this.follower.current;
    const address = topology && leaderAddress(topology, job.shard);
    if (address !== undefined) {
      this.#node(address).batcher.add(job);
      return;
    }
    const error = new RdbError('NO_LEADER', `no node is known to lead shard ${job.shard}`);
    job.attempts++;
    this.#onFailure(job, error);
  }

  #onFailure(job: Job, error: RdbError): void {
    if (job.settled) return;
    job.lastError = error;
    if (error.leader !== undefined) this.follower.hint(error.leader);
    const retry = retryOf(error.reason);
    if (retry === 'elsewhere' && ++job.redirects <= REDIRECTS_AT_ONCE_MAX) this.#dispatch(job);
    else if (error.retryable) this.#wait(job, error);
    else job.fail(error);
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
    this.#wakeWaiting(topology);
    this.#closeUnused(topology);
    for (const listener of [...this.#topologyListeners]) listener(topology);
  }

  /** Who waits because nobody led the shard goes on as soon as somebody does. */
  #wakeWaiting(topology: Topology): void {
    for (const [job, timer] of [...this.#waiting]) {
      if (job.lastError?.reason !== 'NO_LEADER' || job.lastError.retryAfterMs !== undefined)
        continue;
      if (leaderAddress(topology, job.shard) === undefined) continue;
      clearTimeout(timer);
      this.#waiting.delete(job);
      this.#dispatch(job);
    }
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
    const batcher = new Batcher(channel, (job, error) => this.#onFailure(job, error));
    const node = { channel, batcher };
    this.#nodes.set(address, node);
    return node;
  }
}
