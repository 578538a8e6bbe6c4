/**
 * The part of a node that knows the Leases: keeps the node's own, watches the shards', tells the data
 * threads' hosts when to begin and to stop, and derives the topology that clients are told.
 *
 * One store, one watch, for the whole process; the hosts reach them over message ports (`link`). While the
 * store is away nothing changes: leaders lead on, the topology stands.
 */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { LeaseEvent, LeaseStore, LeaseWatch } from '@r-db/leases/store.ts';
import {
  leaseSelector,
  parseShardLease,
  type ShardLeaseContent,
  shardOfLeaseName,
} from '@r-db/proto/leases.ts';
import type { ReplicaState } from '@r-db/proto/replicas.ts';
import type { ShardReport } from '../replication/host.ts';
import { strangeness } from '../replication/shard-lease.ts';
import { limits } from './limits.ts';
import type { FollowerState, FromHost, HostLink, Order } from './link.ts';
import type { Log } from './log.ts';
import { NodeLease, type NodeLeaseState } from './node-lease.ts';
import { Nodes } from './nodes.ts';
import { type Readiness, readinessOf } from './readiness.ts';
import { type RequestMeasure, SharedStore } from './shared-store.ts';
import { logEvent, Tally, type TallyStatistics } from './tally.ts';
import { deriveTopology } from './topology.ts';
import type { NodeIdentity, Topology } from './types.ts';

export interface AgentOptions {
  readonly identity: NodeIdentity;
  /** Shards of the whole cluster. */
  readonly shards: number;
  readonly store: LeaseStore;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Serves a store over a port to a data thread; disposing ends it. */
  readonly serveLeases: (port: MessagePort, store: LeaseStore) => Disposable | AsyncDisposable;
  readonly onRequest?: (measure: RequestMeasure) => void;
}

export interface AgentStatistics extends TallyStatistics {
  /** Milliseconds since the store was last heard from. */
  readonly watchAgeMs: number;
  readonly nodeLease: NodeLeaseState;
  /** Milliseconds since the node's Lease was last renewed; undefined before that. */
  readonly nodeLeaseAgeMs: number | undefined;
  /** By shard; what this process last reported of each, and its Lease's in-sync set. */
  readonly shards: readonly ShardStatistics[];
}

export interface ShardStatistics {
  readonly shard: number;
  readonly leading: boolean;
  readonly epoch: number;
  readonly generation: number;
  readonly inSyncReplicas: number;
}

type HostAnswer = Extract<FromHost, { kind: 'replicas' }>;

interface Thread {
  readonly orders: MessagePort;
  readonly serving: Disposable | AsyncDisposable;
  stopped: boolean;
}

export class Agent implements AsyncDisposable {
  readonly #options: AgentOptions;
  readonly #store: SharedStore;
  readonly #nodeLease: NodeLease;
  readonly #nodes: Nodes;
  readonly #tally = new Tally();
  readonly #threads: Thread[] = [];
  readonly #leases = new Map<number, ShardLeaseContent>();
  readonly #reports = new Map<number, ShardReport>();
  readonly #listeners = new Set<() => void>();
  /** Those that wait for the host to say what it holds. */
  readonly #questions = new Map<number, (answer: HostAnswer | undefined) => void>();
  readonly #allStopped = Promise.withResolvers<void>();
  #watch: LeaseWatch | undefined;
  #watchReady = false;
  #lastQuestion = 0;
  #ended: readonly string[] | undefined;
  /** Shards assigned to this node when it started. */
  #assigned: readonly number[] | undefined;
  #topology: Topology | undefined;
  #deriving = false;
  #wasReady = false;
  #stopping = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { store, scheduler, identity, log, wallMs, random } = options;
    const onRequest = options.onRequest ?? (() => {});
    this.#store = new SharedStore({
      store,
      scheduler,
      onRequest,
      onStored: (lease) => {
        const shard = shardOfLeaseName(identity.cluster, lease.name);
        if (shard !== undefined) this.#observed({ kind: 'put', lease });
      },
    });
    this.#nodeLease = new NodeLease({
      store: this.#store,
      identity,
      scheduler,
      wallMs,
      random,
      log,
    });
    this.#nodes = new Nodes({
      store: this.#store,
      identity,
      scheduler,
      log,
      onChange: () => this.#changed(),
      onIgnored: (message) => this.#ignored(message),
    });
  }

  /** Begins; nothing is awaited, for a node without a store still answers probes and says what it waits for. */
  start(): void {
    const { identity } = this.#options;
    this.#watch = this.#store.watch(leaseSelector(identity.cluster, 'Shard'), (event) =>
      this.#observed(event),
    );
    void this.#watch.ready.then(() => {
      this.#watchReady = true;
      this.#assigned = [...this.#leases]
        .filter(([, { assignment }]) => assignment.includes(identity.node))
        .map(([shard]) => shard);
      this.#changed();
    });
    this.#nodes.start();
    void this.#nodeLease.start().then((ended) => {
      this.#ended = ended;
      for (const thread of this.#threads) order(thread, { kind: 'start', ended });
    });
  }

  /** The other end of the replication home's host. */
  link(): HostLink {
    const leases = new MessageChannel();
    const orders = new MessageChannel();
    const serving = this.#options.serveLeases(leases.port1, this.#store);
    const added: Thread = { orders: orders.port1, serving, stopped: false };
    added.orders.on('message', (message: FromHost) => this.#heard(added, message));
    this.#threads.push(added);
    if (this.#ended !== undefined) order(added, { kind: 'start', ended: this.#ended });
    return { leases: leases.port2, orders: orders.port2 };
  }

  /** Undefined until all shard Leases were listed once. */
  current(): Topology | undefined {
    return this.#topology;
  }

  /** Calls `listener` after each change of the topology; the function returned ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  readiness(): Readiness {
    const { identity } = this.#options;
    const readiness = readinessOf({
      stopping: this.#stopping,
      wasReady: this.#wasReady,
      nodeLease: this.#nodeLease.state,
      watchReady: this.#watchReady,
      self: identity,
      ended: new Set(this.#ended),
      assigned: new Map(
        (this.#assigned ?? []).map((shard) => [shard, this.#leases.get(shard)] as const),
      ),
    });
    this.#wasReady ||= readiness.ready;
    return readiness;
  }

  statistics(): AgentStatistics {
    return {
      ...this.#tally.statistics(),
      watchAgeMs: this.#watch?.ageMs() ?? 0,
      nodeLease: this.#nodeLease.state,
      nodeLeaseAgeMs: this.#nodeLease.ageMs,
      shards: Array.from({ length: this.#options.shards }, (_, shard) => {
        const report = this.#reports.get(shard);
        const lease = this.#leases.get(shard);
        return {
          shard,
          leading: report?.role === 'leader',
          epoch: lease?.epoch ?? report?.epoch ?? 0,
          generation: lease?.generation ?? report?.generation ?? 0,
          inSyncReplicas: lease?.inSync.length ?? 0,
        };
      }),
    };
  }

  /** What this node holds of each shard, now; undefined if its host does not say so in time. */
  async replicas(): Promise<readonly ReplicaState[] | undefined> {
    return (await this.#askHost())?.replicas;
  }

  /** How far the other replicas of what this node leads have come. */
  async followers(): Promise<readonly FollowerState[]> {
    return (await this.#askHost())?.followers ?? [];
  }

  async #askHost(): Promise<HostAnswer | undefined> {
    const [thread] = this.#threads;
    if (thread === undefined || this.#questions.size >= limits.questionsMax) return undefined;
    const question = ++this.#lastQuestion;
    const { promise, resolve } = Promise.withResolvers<HostAnswer | undefined>();
    this.#questions.set(question, resolve);
    const { scheduler } = this.#options;
    const cancel = scheduler.after(limits.questionTimeoutMs, () => resolve(undefined));
    order(thread, { kind: 'tell-replicas', question });
    const answer = await promise;
    cancel();
    this.#questions.delete(question);
    return answer;
  }

  /**
   * Stops leading, once the store answers, and gives up what may be given up. Resolves when all threads have, or after
   * `graceMs`; true if all have.
   */
  async shutdown(graceMs: number): Promise<boolean> {
    this.#stopping = true;
    for (const thread of this.#threads) order(thread, { kind: 'shutdown' });
    this.#checkStopped();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.scheduler.after(graceMs, resolve);
    await Promise.race([this.#allStopped.promise, late]);
    cancel();
    return this.#threads.every(({ stopped }) => stopped);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#nodeLease[Symbol.dispose]();
    this.#nodes[Symbol.dispose]();
    for (const { orders, serving } of this.#threads) {
      orders.close();
      if (Symbol.asyncDispose in serving) await serving[Symbol.asyncDispose]();
      else serving[Symbol.dispose]();
    }
    await this.#store[Symbol.asyncDispose]();
  }

  #observed({ kind, lease }: LeaseEvent): void {
    const { identity, shards } = this.#options;
    const shard = shardOfLeaseName(identity.cluster, lease.name);
    const problem = strangeness(lease, identity, 'Shard');
    const parsed = parseShardLease(lease);
    if (shard === undefined || shard >= shards || problem !== undefined || !parsed.ok) {
      const reason = problem ?? (parsed.ok ? 'no such shard' : parsed.error.message);
      if (kind === 'put') this.#ignored(`Lease ${lease.name}: ${reason}`);
      return;
    }
    // A deleted Lease is no news for clients: its leader leads on (rule 16).
    if (kind === 'deleted') return;
    const { content } = parsed;
    const known = this.#leases.get(shard);
    if (known !== undefined && !isNewer(content, known)) return;
    this.#leases.set(shard, content);
    for (const member of content.inSync) this.#nodes.want(member);
    this.#changed();
  }

  #heard(thread: Thread, message: FromHost): void {
    if (message.kind === 'stopped') {
      thread.stopped = true;
      this.#checkStopped();
      return;
    }
    if (message.kind === 'replicas') {
      this.#questions.get(message.question)?.(message);
      return;
    }
    const { report } = message;
    this.#reports.set(report.shard, report);
    for (const event of report.events) {
      this.#tally.count(event);
      logEvent(this.#options.log, report, event);
    }
  }

  #ignored(message: string): void {
    this.#tally.ignored();
    this.#options.log.error({}, `Lease ignored: ${message}`);
  }

  /** Many changes in a short time make one topology. */
  #changed(): void {
    if (this.#deriving || !this.#watchReady) return;
    this.#deriving = true;
    this.#options.scheduler.after(limits.topologyBatchMs, () => {
      this.#deriving = false;
      this.#derive();
    });
  }

  #derive(): void {
    const { identity, shards } = this.#options;
    const derived = deriveTopology({
      clusterId: identity.clusterId,
      shards,
      shardLeases: this.#leases,
      nodeLeases: this.#nodes.known,
    });
    if (this.#topology !== undefined) {
      const { version, ...before } = this.#topology;
      if (JSON.stringify(before) === JSON.stringify(derived)) return;
      this.#topology = { ...derived, version: version + 1 };
    } else {
      this.#topology = { ...derived, version: 1 };
    }
    for (const listener of [...this.#listeners]) listener();
  }

  #checkStopped(): void {
    if (this.#threads.every(({ stopped }) => stopped)) this.#allStopped.resolve();
  }
}

function order({ orders }: Thread, message: Order): void {
  orders.postMessage(message);
}

/** For clients the last state counts; a Lease made anew starts its revisions again, at a higher epoch. */
function isNewer(content: ShardLeaseContent, known: ShardLeaseContent): boolean {
  if (content.epoch !== known.epoch) return content.epoch > known.epoch;
  return content.revision > known.revision;
}
