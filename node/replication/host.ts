/**
 * The shards of a node: a core for each, driven by one watch on their Leases and by what other nodes say.
 *
 * It runs in one data thread, the replication home. `ShardHost` knows nothing of threads or ports; `start.ts`
 * puts it into one.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { LeaseEvent, LeaseStore, LeaseWatch } from '@r-db/leases/store.ts';
import { leaseSelector, shardLeaseName, shardOfLeaseName } from '@r-db/proto/leases.ts';
import type { ReplicaState } from '@r-db/proto/replicas.ts';
import type { FollowerState } from '../agent/link.ts';
import type { NodeAddresses } from '../agent/types.ts';
import type { Outcome } from './batches.ts';
import { type Incarnation, incarnation, nodeOf } from './core/identity.ts';
import type { CoreEvent, TotalLoss } from './core/io.ts';
import type { ShardLease } from './core/lease.ts';
import type { Sessions } from './core/sessions.ts';
import type { ReplicationOptions } from './core/state.ts';
import { CutPace } from './cut-pace.ts';
import { Departure } from './departure.ts';
import { LeaseRequests } from './lease-requests.ts';
import { limits } from './limits.ts';
import { MemoryReserve } from './memory-reserve.ts';
import { HandOverOrders, type HandOverRefusal } from './orders.ts';
import { PeerNetwork, type PeerNetworkOptions } from './peer-network.ts';
import { Redirects } from './redirects.ts';
import { RequestGate } from './request-gate.ts';
import { Rounds } from './rounds.ts';
import { type ClusterIdentity, memberOf } from './shard-lease.ts';
import { type SealedBatch, type ShardEngine, ShardRunner } from './shard-runner.ts';
import { StoreProbe } from './store-probe.ts';
import { Wakes } from './wakes.ts';

export interface ShardHostOptions extends ClusterIdentity {
  /** `demo-0/<incarnation>` of this process. */
  readonly self: string;
  /** Incarnations that have certainly ended: earlier starts of this very pod. */
  readonly ended: readonly string[];
  /** Until `setTotalLoss`. */
  readonly totalLoss: TotalLoss;
  /** Shards of the whole cluster. */
  readonly shards: number;
  readonly engine: ShardEngine;
  readonly store: LeaseStore;
  readonly scheduler: Scheduler;
  /** Registers what is to be done once at the end of a turn that asks for it, by the function returned. */
  readonly atTurnEnd?: ((task: () => void) => () => void) | undefined;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Follows that of the leaders that are heard. */
  readonly shardTime: PeerNetworkOptions['shardTime'];
  /** For the random part of waits; another number for each process. */
  readonly seed: number;
  readonly replication: Pick<ReplicationOptions, 'minInSync' | 'promiseMs'>;
  /** Undefined: this node speaks to no other, and leads only what it holds alone. */
  readonly network: Pick<PeerNetworkOptions, 'self' | 'onRefused' | 'onPeers'> | undefined;
  readonly onResolved: (batch: SealedBatch, outcome: Outcome) => void;
  /** Whatever other threads gathered in a shard and was not sealed is gone. */
  readonly onAbandoned: (shard: number) => void;
  readonly onReport: (report: ShardReport) => void;
}

/** What the rest of the process learns of a shard, whenever something changed. */
export interface ShardReport {
  readonly shard: number;
  readonly role: 'elsewhere' | 'starting' | 'leader';
  readonly epoch: number;
  readonly generation: number;
  /** Why the Lease can't be followed, if so. */
  readonly lost: string | undefined;
  readonly stopped: boolean;
  readonly events: readonly CoreEvent[];
}

/** Somebody wants that node to lead; `withinMs`: until it begins. */
export interface HandOverOrder {
  readonly shard: number;
  readonly node: string;
  readonly withinMs: number;
}

/** What was last reported of a shard: the same is not reported again. */
type Told = Omit<ShardReport, 'shard' | 'events'>;

export class ShardHost implements AsyncDisposable {
  readonly #options: ShardHostOptions;
  readonly #runners: ShardRunner[] = [];
  readonly #leases: LeaseRequests[] = [];
  readonly #network: PeerNetwork | undefined;
  readonly #reserve: MemoryReserve;
  readonly #storeProbe: StoreProbe;
  readonly #wakes: Wakes;
  readonly #rounds = new Rounds();
  readonly #redirects: Redirects;
  /** Something waits for a round; until then at most. */
  #waitsUntilMs = Number.POSITIVE_INFINITY;
  readonly #askTurnEnd: () => void;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #told: Told[] = [];
  readonly #orders = new HandOverOrders();
  /** Shards whose open batch is to be sent off. */
  #gathered: number[] = [];
  readonly #isGathered: boolean[] = [];
  #addresses: ReadonlyMap<string, NodeAddresses> = new Map();
  #watch: LeaseWatch | undefined;
  #departure: Departure | undefined;
  #turnEnds = false;
  #closed = false;

  constructor(options: ShardHostOptions) {
    this.#options = options;
    const { shards, cluster, clusterId, engine, store, scheduler, wallMs, replication } = options;
    const gate = new RequestGate({
      first: limits.requestsInFlightFirst,
      most: limits.requestsInFlightMax,
      stepMs: limits.requestsStepMs,
      scheduler,
    });
    const pace = new CutPace(scheduler);
    const reserve = new MemoryReserve(engine);
    this.#reserve = reserve;
    this.#redirects = new Redirects(engine);
    const storeProbe = new StoreProbe({
      scheduler,
      read: () => store.get(shardLeaseName(cluster, 0)),
      onReturn: () => {
        for (const runner of this.#runners) {
          // Who knows of no Lease has asked for none.
          if (runner.core.known.lastKnown !== undefined) runner.input({ kind: 'store-answers' });
        }
      },
    });
    this.#storeProbe = storeProbe;
    const { atTurnEnd = (task) => () => void scheduler.after(0, task) } = options;
    this.#askTurnEnd = atTurnEnd(() => this.#turnEnd());
    this.#wakes = new Wakes({
      shards,
      scheduler,
      wake: (shard) => this.#runners[shard]?.wake(),
    });
    const self = incarnation(options.self);
    const core = {
      self,
      gone: new Set<Incarnation>(options.ended.map(incarnation)),
      totalLoss: options.totalLoss,
      replication: { ...replication, logBytesMax: Math.ceil(limits.logBytesMax / shards) },
    };
    this.#network =
      options.network &&
      new PeerNetwork({
        ...options.network,
        runners: this.#runners,
        promiseMs: replication.promiseMs,
        shardTime: options.shardTime,
        scheduler,
        wallMs,
        leases: {
          write: (shard, lease) => this.#leases[shard]?.encode(lease) ?? new Uint8Array(0),
          read: (shard, bytes) => this.#leases[shard]?.decode(bytes),
        },
        reserve,
        onSent: () => this.#endTurn(),
      });
    for (let shard = 0; shard < shards; shard++) {
      const leases = new LeaseRequests({
        shard,
        identity: { cluster, clusterId },
        store,
        gate,
        storeProbe,
        scheduler,
        wallMs,
        leaderHeardMs: () => this.#network?.leaderHeardMs(shard),
      });
      this.#leases.push(leases);
      this.#runners.push(
        new ShardRunner({
          shard,
          core: { ...core, seed: options.seed + shard },
          engine,
          leases,
          scheduler,
          wakes: this.#wakes,
          wallMs,
          data: { pace, reserve },
          send: (to, ofShard, message) => this.#network?.send(to, ofShard, message),
          onSealed: () => this.#rounds.began(scheduler.nowMs()),
          onResolved: (batch, outcome) => this.#resolved(batch, outcome),
          onAbandoned: options.onAbandoned,
          onUnsealed: (runner) => this.gathered(runner.shard),
          onOtherLeader: (ofShard, leader) =>
            this.#redirects.lead(ofShard, leader === undefined ? undefined : nodeOf(leader)),
          onChange: (changed, events) => this.#changed(changed, events),
        }),
      );
    }
  }

  /** Follows the Leases from now on. */
  start(): void {
    const { store, cluster } = this.#options;
    this.#watch = store.watch(leaseSelector(cluster, 'Shard'), (event) => this.#observed(event));
  }

  get network(): PeerNetwork | undefined {
    return this.#network;
  }

  /** Writes of some thread wait in this shard's open batch: it goes off at the end of this turn. */
  gathered(shard: number): void {
    this.#runners[shard]?.gathered();
    if (this.#isGathered[shard] === true) return;
    this.#isGathered[shard] = true;
    this.#gathered.push(shard);
    this.#endTurn();
  }

  /** The other node that leads a shard, as its clients here are told; undefined: none is known. */
  otherLeader(shard: number): string | undefined {
    return this.#redirects.leader(shard);
  }

  /** What became of writes with a request ID in a shard. */
  sessions(shard: number): Sessions | undefined {
    return this.#runners[shard]?.sessions;
  }

  /** Takes effect at once, on shards that wait for a person too. */
  setTotalLoss(totalLoss: TotalLoss): void {
    for (const runner of this.#runners) runner.setTotalLoss(totalLoss);
  }

  /** Takes effect at once. */
  setReplication({ minInSync, promiseMs }: ShardHostOptions['replication']): void {
    for (const runner of this.#runners) {
      runner.input({ kind: 'settings', minInSync, promiseMs });
    }
    this.#network?.setPromiseMs(promiseMs);
  }

  /** Where nodes are reached, as far as it is known. */
  setAddresses(addresses: ReadonlyMap<string, NodeAddresses>): void {
    this.#addresses = addresses;
    this.#redirects.setAddresses(addresses);
    this.#wantPeers();
  }

  /** Gives leadership to a node, once the store has answered; why not, if it can't be. What comes of it, the Lease tells. */
  async handOver({ shard, node, withinMs }: HandOverOrder): Promise<HandOverRefusal | undefined> {
    const runner = this.#runners[shard];
    if (runner === undefined) return invalid(`there is no shard ${shard}`);
    if (runner.core.leading === undefined) {
      return { reason: 'SHARD_MOVING', message: `this node does not lead shard ${shard}` };
    }
    const lease = runner.core.known.lastKnown;
    const to = lease?.inSync.find((member) => nodeOf(member) === node);
    if (to === undefined) return invalid(`${node} is not in the in-sync set of shard ${shard}`);
    if (to === this.#options.self) return undefined;
    const answer = this.#orders.ask({ shard, to });
    runner.input({ kind: 'hand-over', to, withinMs });
    return await answer;
  }

  /** The replicas of what this node leads. */
  followers(): FollowerState[] {
    return this.#runners.flatMap(({ shard, core }) =>
      core.replicas.map(({ incarnation: one, lagEntries }) => ({
        shard,
        node: nodeOf(one),
        lagEntries,
      })),
    );
  }

  /** What the operator asks before it makes a lost Lease anew (rule 16). */
  replicas(): ReplicaState[] {
    return this.#runners.map(({ shard, core }) => {
      const { leading, holding, positions, known } = core;
      const { revision = 0, inSync = [] } = known.lastKnown ?? {};
      return {
        shard,
        leading: leading !== undefined,
        epoch: holding.epoch,
        generation: holding.generation ?? 0,
        lastEpoch: positions.last.epoch,
        lastSequence: positions.last.sequence,
        leaseLost: known.lastKnown === undefined || known.lost !== undefined,
        revision,
        inSync: inSync.map(memberOf),
      };
    });
  }

  /** Hands over what it leads; resolves when every Lease says so that can. The caller bounds the wait. */
  async shutdown(): Promise<void> {
    const { scheduler } = this.#options;
    const storeAnswers = (): Promise<void> => this.#storeAnswers();
    this.#departure = new Departure(this.#runners, { scheduler, storeAnswers });
    this.#network?.leave();
    this.#checkStopped();
    await this.#stopped.promise;
  }

  /** Resolves once the store has answered, be it no. */
  async #storeAnswers(): Promise<void> {
    for (;;) {
      const answer = await this.#storeProbe.ask();
      if (answer.kind === 'reached' || answer.forbidden) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#storeProbe[Symbol.dispose]();
    for (const runner of this.#runners) runner.close();
    this.#wakes[Symbol.dispose]();
    this.#network?.[Symbol.dispose]();
    await this.#watch?.[Symbol.asyncDispose]();
  }

  #observed(event: LeaseEvent): void {
    const shard = shardOfLeaseName(this.#options.cluster, event.lease.name);
    if (shard !== undefined) this.#runners[shard]?.observed(event);
  }

  #changed(runner: ShardRunner, events: readonly CoreEvent[]): void {
    const { shard, core } = runner;
    this.#network?.led(shard, core.leading);
    this.#departure?.changed(runner);
    for (const event of events) this.#orders.told(shard, event);
    if (runner.unsealed) this.gathered(shard);
    const { lastKnown, lost } = core.known;
    const now: Told = {
      role: core.serving.role,
      epoch: lastKnown?.epoch ?? 0,
      generation: lastKnown?.generation ?? 0,
      lost,
      stopped: core.stopped,
    };
    this.#wantPeersOf(shard, lastKnown);
    const before = this.#told[shard];
    if (events.length === 0 && before !== undefined && isSame(before, now)) return;
    this.#told[shard] = now;
    this.#options.onReport({ shard, ...now, events });
    this.#checkStopped();
  }

  /** Once for each turn of the event loop: what was gathered goes off, and what is to be said with it. */
  #endTurn(): void {
    if (this.#turnEnds || this.#closed) return;
    this.#turnEnds = true;
    this.#askTurnEnd();
  }

  #turnEnd(): void {
    this.#turnEnds = false;
    if (this.#closed) return;
    this.#reserve.refresh();
    if (this.#gathered.length > 0) this.#sealGathered();
    this.#network?.flush();
  }

  #sealGathered(): void {
    const { scheduler } = this.#options;
    const nowMs = scheduler.nowMs();
    const nextMs = this.#rounds.nextMs(nowMs);
    if (nextMs > nowMs) {
      this.#sealBy(nextMs);
      return;
    }
    const shards = this.#gathered;
    this.#gathered = [];
    for (const shard of shards) {
      this.#isGathered[shard] = false;
      this.#runners[shard]?.seal();
      if (this.#runners[shard]?.unsealed) this.gathered(shard);
    }
  }

  /** A round may end later, or never: what waits for it goes off all the same. */
  #sealBy(atMs: number): void {
    if (atMs >= this.#waitsUntilMs) return;
    const { scheduler } = this.#options;
    this.#waitsUntilMs = atMs;
    scheduler.after(atMs - scheduler.nowMs(), () => {
      this.#waitsUntilMs = Number.POSITIVE_INFINITY;
      this.#endTurn();
    });
  }

  #resolved(batch: SealedBatch, outcome: Outcome): void {
    this.#rounds.ended();
    if (this.#gathered.length > 0) this.#endTurn();
    this.#options.onResolved(batch, outcome);
  }

  // Which nodes to be connected to: those that this one shares shards with.

  readonly #sharers: (readonly string[])[] = [];
  readonly #sharersOf: (ShardLease | undefined)[] = [];
  /** How many shards this node shares with each. */
  readonly #shared = new Map<string, number>();

  #wantPeersOf(shard: number, lease: ShardLease | undefined): void {
    if (this.#sharersOf[shard] === lease) return;
    this.#sharersOf[shard] = lease;
    const nodes = [
      ...new Set([...(lease?.assignment ?? []), ...(lease?.inSync.map(nodeOf) ?? [])]),
    ];
    const sharers = nodes.includes(nodeOf(incarnation(this.#options.self))) ? nodes : [];
    let changed = false;
    for (const node of sharers) changed = this.#share(node, 1) || changed;
    for (const node of this.#sharers[shard] ?? []) changed = this.#share(node, -1) || changed;
    this.#sharers[shard] = sharers;
    if (changed) this.#wantPeers();
  }

  /** Whether that makes it a node that shards are shared with, or none any more. */
  #share(node: string, more: 1 | -1): boolean {
    const shards = (this.#shared.get(node) ?? 0) + more;
    if (shards > 0) this.#shared.set(node, shards);
    else this.#shared.delete(node);
    return shards === (more === 1 ? 1 : 0);
  }

  #wantPeers(): void {
    const addressed = [...this.#shared.keys()].map(
      (node) => [node, this.#addresses.get(node)?.peer] as const,
    );
    this.#network?.want(new Map(addressed));
  }

  #checkStopped(): void {
    if (this.#runners.every(({ core }) => core.stopped)) this.#stopped.resolve();
  }
}

const invalid = (message: string): HandOverRefusal => ({ reason: 'INVALID', message });

function isSame(before: Told, now: Told): boolean {
  return (
    before.role === now.role &&
    before.epoch === now.epoch &&
    before.generation === now.generation &&
    before.lost === now.lost &&
    before.stopped === now.stopped
  );
}
