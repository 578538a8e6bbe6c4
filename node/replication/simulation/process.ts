/**
 * A node's process in the simulation: the shell around the real cores, with an engine that only remembers.
 *
 * It has its own clock and may be paused between any two steps: then what reaches it waits, and comes in
 * any order when it goes on, as from sockets; what came by one connection keeps its order.
 */

import { ShardCore } from '../core/core.ts';
import { LedTable, PeerHeartbeats } from '../core/heartbeats.ts';
import { type Incarnation, nodeOf } from '../core/identity.ts';
import type { Input } from '../core/io.ts';
import type { Heartbeat, HeartbeatAnswer } from '../core/messages.ts';
import { limits as shellLimits } from '../limits.ts';
import type { Cluster } from './cluster.ts';
import type { Connection } from './connections.ts';
import { Replica } from './replica.ts';
import { epochMs } from './session-client.ts';
import type { LeaseEvent } from './store.ts';

interface Waiting {
  readonly run: () => void;
  readonly channel: object | undefined;
}

export class Process {
  readonly self: Incarnation;
  readonly node: string;
  readonly cluster: Cluster;
  readonly replicas = new Map<number, Replica>();
  readonly #gone: ReadonlySet<Incarnation>;
  readonly #rate: number;
  #offsetMs: number;
  readonly #wallOffsetMs: number;
  readonly #table = new LedTable();
  readonly #connections = new Map<string, Connection>();
  readonly #peers = new Map<Incarnation, Extract<Input, { kind: 'peer' }>>();
  readonly #heartbeats = new Map<Incarnation, PeerHeartbeats>();
  readonly #waiting: Waiting[] = [];
  readonly #asking: {
    readonly shard: number;
    readonly request: number;
    readonly answer: (input: Input) => void;
  }[] = [];
  readonly #endWatch: () => void;
  /** When its machine stopped, of true time. */
  #suspendedMs: number | undefined;
  #beatAtMs = Number.POSITIVE_INFINITY;
  paused = false;
  alive = true;
  /** Its memory is full: it can't take entries. */
  full = false;
  /** Dead, but its machine is up and says so. */
  refuses = false;
  /** It was asked to end, and gives up what it holds; `#ended` when it is done. */
  stopping = false;
  #ended: (() => void) | undefined;

  constructor(cluster: Cluster, self: Incarnation, gone: ReadonlySet<Incarnation>) {
    this.cluster = cluster;
    this.self = self;
    this.node = nodeOf(self);
    this.#gone = gone;
    const { world, options } = cluster;
    const { random } = world;
    const drift = options.ratesApart / 2;
    this.#rate = 1 + (options.extremeRates ? (random() < 0.5 ? -1 : 1) : 2 * random() - 1) * drift;
    this.#offsetMs = random() * 100_000;
    this.#wallOffsetMs = (random() - 0.5) * 4_000;
    if (!options.lazy) {
      for (let shard = 0; shard < options.shards; shard++) this.#make(shard);
    }
    this.#endWatch = cluster.store.watch(
      this.node,
      // An informer tells events one after the other, whenever they came.
      (shard, event) => this.run(() => this.#observe(shard, event), cluster.store),
      options.relistMs,
    );
  }

  /** This node's monotonic clock. */
  get nowMs(): number {
    return this.#offsetMs + (this.#suspendedMs ?? this.cluster.world.clock.nowMs) * this.#rate;
  }

  /** True time at a moment of this node's clock. */
  trueMs(ownMs: number): number {
    return (ownMs - this.#offsetMs) / this.#rate;
  }

  /** This node's wall clock, some seconds off. */
  get wallMs(): number {
    return epochMs + this.#wallOffsetMs + this.cluster.world.clock.nowMs;
  }

  /** Runs now, or when the process goes on. What has the same channel keeps its order. */
  run(what: () => void, channel?: object): void {
    if (!this.alive) return;
    if (this.paused) this.#waiting.push({ run: what, channel });
    else this.cluster.guarded(what);
  }

  /** By its own clock. */
  at(atMs: number, what: () => void): void {
    const waitMs = (atMs - this.nowMs) / this.#rate;
    // Less would not move true time, and whoever finds that it is not yet time would ask for ever.
    const leastMs = waitMs > 0 ? Math.max(waitMs, 1e-6) : waitMs;
    this.cluster.world.clock.after(leastMs, () => this.run(what));
  }

  pause(forMs: number): void {
    const { world } = this.cluster;
    if (this.paused || !this.alive) return;
    world.note(() => `${this.self} pauses`);
    this.paused = true;
    world.clock.after(forMs, () => this.resume());
  }

  /** Its machine stands still, and its clock with it. */
  suspend(forMs: number): void {
    if (this.paused || !this.alive) return;
    this.pause(forMs);
    this.#suspendedMs = this.cluster.world.clock.nowMs;
  }

  resume(): void {
    if (!this.paused || !this.alive) return;
    const { random, note } = this.cluster.world;
    note(() => `${this.self} goes on`);
    this.paused = false;
    this.#wake();
    while (this.#waiting.length > 0 && !this.paused && this.alive) {
      const drawn = this.#waiting[Math.floor(random() * this.#waiting.length)];
      const { channel } = drawn ?? {};
      const first = this.#waiting.findIndex((one) =>
        channel === undefined ? one === drawn : one.channel === channel,
      );
      const [what] = this.#waiting.splice(first, 1);
      if (what !== undefined) this.run(what.run);
    }
  }

  /** What the shell does first once it has noticed. */
  #wake(): void {
    const { clock } = this.cluster.world;
    if (this.#suspendedMs === undefined) return;
    this.#offsetMs -= (clock.nowMs - this.#suspendedMs) * this.#rate;
    this.#suspendedMs = undefined;
    this.run(() => {
      for (const replica of this.replicas.values()) replica.step({ kind: 'suspended' });
      for (const connection of this.#connections.values()) {
        this.cluster.connections.break(connection, [0, 0]);
        this.#heartbeats.delete(connection.other(this).self);
      }
    });
  }

  kill(refuses: boolean): void {
    this.alive = false;
    this.refuses = refuses;
    this.#endWatch();
    this.#waiting.length = 0;
  }

  /** SIGTERM: it asks its peers to be removed, again and again, and ends when every shard has let it go. */
  stop(ended: () => void): void {
    if (this.stopping) return;
    this.stopping = true;
    this.#ended = ended;
    for (const replica of this.replicas.values()) replica.step({ kind: 'shutdown' });
    this.#leave();
  }

  /** After a step of a core. */
  checkStopped(): void {
    if (!this.stopping || ![...this.replicas.values()].every(({ core }) => core.stopped)) return;
    const ended = this.#ended;
    this.#ended = undefined;
    if (ended === undefined) return;
    this.cluster.checkEnding(this);
    this.at(this.nowMs + 1, ended);
  }

  /** Shards that campaign within a moment share one quorum read. */
  readAny(shard: number, request: number, answer: (input: Input) => void): void {
    this.#asking.push({ shard, request, answer });
    if (this.#asking.length > 1) return;
    this.at(this.nowMs + shellLimits.gatherReadsMs, () => {
      const [first, ...others] = this.#asking.splice(0);
      if (first === undefined) return;
      this.cluster.store.read(this.node, first.shard, first.request, (input) => {
        first.answer(input);
        for (const one of others) {
          const failed = input.kind === 'read-failed';
          const kind = failed ? ({ ...input } as const) : ({ kind: 'store-reached' } as const);
          one.answer({ ...kind, request: one.request });
        }
      });
    });
  }

  /** Whether it has heard of this start of a node. */
  knows(peer: Incarnation): boolean {
    return this.#peers.has(peer);
  }

  #leave(): void {
    for (const peer of this.#heartbeats.keys()) {
      this.cluster.connections.send(this, peer, (to) => to.#left(this.self));
    }
    const againMs = this.cluster.settings.promiseMs * shellLimits.leavePromises;
    this.at(this.nowMs + againMs, () => this.#leave());
  }

  #left(peer: Incarnation): void {
    for (const replica of this.replicas.values()) {
      replica.step({ kind: 'leave', incarnation: peer });
    }
  }

  replica(shard: number): Replica | undefined {
    return this.replicas.get(shard);
  }

  connectionTo(peer: Incarnation): Connection | undefined {
    const connection = this.#connections.get(nodeOf(peer));
    return connection?.other(this).self === peer ? connection : undefined;
  }

  /** What comes by a connection that another has taken the place of is dropped. */
  receive(connection: Connection, what: () => void): void {
    const { node } = connection.other(this);
    this.run(() => {
      if (this.#connections.get(node) === connection) what();
    }, connection);
  }

  connected(connection: Connection, peer: Process): void {
    // Broken already, another one may be there.
    if (!connection.open) return;
    this.#connections.set(peer.node, connection);
    for (const known of this.#heartbeats.keys()) {
      if (nodeOf(known) === peer.node) this.#heartbeats.delete(known);
    }
    const { settings, world } = this.cluster;
    const table = this.#table;
    const { promiseMs } = settings;
    const beats = new PeerHeartbeats({ peer: peer.self, table, promiseMs, broken: world.broken });
    this.#heartbeats.set(peer.self, beats);
    this.#tellPeer({ kind: 'peer', incarnation: peer.self, state: 'up' });
    this.#beat();
  }

  disconnected(connection: Connection): void {
    const peer = connection.other(this);
    if (this.#connections.get(peer.node) !== connection) return;
    this.#connections.delete(peer.node);
    this.#heartbeats.delete(peer.self);
    this.#tellPeer({ kind: 'peer', incarnation: peer.self, state: 'down' });
  }

  refusedBy(peer: Incarnation): void {
    const connection = this.#connections.get(nodeOf(peer));
    if (connection !== undefined && connection.other(this).self !== peer) return;
    this.#tellPeer({ kind: 'peer', incarnation: peer, state: 'refused' });
  }

  /** Each node takes them when it hears of them. */
  settle(settings: { readonly minInSync: number; readonly promiseMs: number }): void {
    const { minInSync, promiseMs } = settings;
    for (const beats of this.#heartbeats.values()) beats.promiseMs = promiseMs;
    for (const replica of this.replicas.values()) {
      replica.step({ kind: 'settings', minInSync, promiseMs });
    }
    this.#beat();
  }

  /** After each step of a core: a new leadership asks for promises at once. */
  led(shard: number, leading: ShardCore['leading']): void {
    const { version } = this.#table;
    this.#table.set(shard, leading);
    if (this.#table.version !== version) this.#beat();
  }

  heartbeat(from: Incarnation, beat: Heartbeat): void {
    const asked: Replica[] = [];
    const beats = this.#heartbeats.get(from);
    const answer = beats?.received(beat, this.nowMs, (row, peer, untilMs) => {
      const replica = this.replica(row.shard);
      if (replica === undefined) return { epoch: row.epoch, reason: 'generation' };
      asked.push(replica);
      return replica.core.promise(row, peer, untilMs);
    });
    // A promise that was given moves the time of a campaign.
    for (const replica of asked) replica.setWake();
    if (beats === undefined || answer === undefined) return;
    for (const row of beats.freshness(beat)) this.replica(row.shard)?.core.freshIf(row);
    this.cluster.connections.send(this, from, (to) => to.heartbeatAnswered(this.self, answer));
  }

  heartbeatAnswered(from: Incarnation, answer: HeartbeatAnswer): void {
    for (const held of this.#heartbeats.get(from)?.answered(answer, this.nowMs) ?? []) {
      const { shard, epoch, untilMs } = held;
      this.replica(shard)?.step({ kind: 'promised', by: from, epoch, untilMs });
    }
    for (const { shard, epoch } of answer.refused) {
      this.replica(shard)?.step({ kind: 'promise-refused', by: from, epoch });
    }
  }

  #committedIfHeld(shard: number, nowMs: number): number | undefined {
    const core = this.replica(shard)?.core;
    const { broken } = this.cluster.world;
    if (broken === 'fresh-without-promises') return core?.positions.applied.sequence;
    return core?.committedIfHeld(nowMs);
  }

  #observe(shard: number, event: LeaseEvent): void {
    const { options } = this.cluster;
    if (event.kind === 'observed' && options.lazy && !this.replicas.has(shard)) {
      const { assignment, inSync } = event.lease;
      const named = assignment.includes(this.node) || inSync.includes(this.self);
      if (!named) return;
      this.#make(shard);
    }
    this.replica(shard)?.step(event);
  }

  #make(shard: number): void {
    const { world, options, settings } = this.cluster;
    const core = new ShardCore({
      self: this.self,
      gone: this.#gone,
      totalLoss: 'Hold',
      seed: Math.floor(world.random() * 2 ** 31),
      replication: {
        minInSync: settings.minInSync,
        promiseMs: settings.promiseMs,
        logBytesMax: options.logBytesMax,
        broken: world.broken,
      },
    });
    const replica = new Replica(this, shard, core);
    this.replicas.set(shard, replica);
    for (const peer of this.#peers.values()) replica.step(peer);
    if (this.stopping) replica.step({ kind: 'shutdown' });
  }

  #tellPeer(input: Extract<Input, { kind: 'peer' }>): void {
    for (const known of this.#peers.keys()) {
      if (nodeOf(known) === nodeOf(input.incarnation)) this.#peers.delete(known);
    }
    this.#peers.set(input.incarnation, input);
    for (const replica of this.replicas.values()) replica.step(input);
  }

  #beat(): void {
    const { nowMs } = this;
    let dueMs = Number.POSITIVE_INFINITY;
    for (const [to, beats] of this.#heartbeats) {
      const beat = beats.beat(nowMs, (shard) => this.#committedIfHeld(shard, nowMs));
      if (beat !== undefined) {
        this.cluster.connections.send(this, to, (peer) => peer.heartbeat(this.self, beat));
      }
      dueMs = Math.min(dueMs, beats.dueMs);
    }
    if (dueMs >= this.#beatAtMs && this.#beatAtMs > nowMs) return;
    this.#beatAtMs = dueMs;
    this.at(dueMs, () => {
      if (this.#beatAtMs !== dueMs) return;
      this.#beatAtMs = Number.POSITIVE_INFINITY;
      this.#beat();
    });
  }
}
