/**
 * A node's process in the simulation: the shell around the real cores, with an engine that only remembers.
 *
 * It has its own clock and may be paused between any two steps: then what reaches it waits, and comes in
 * any order when it goes on, as from sockets.
 */

import { ShardCore } from '../core/core.ts';
import { LedTable, PeerHeartbeats } from '../core/heartbeats.ts';
import { type Incarnation, nodeOf } from '../core/identity.ts';
import type { Input } from '../core/io.ts';
import type { Heartbeat, HeartbeatAnswer } from '../core/messages.ts';
import type { Cluster } from './cluster.ts';
import { Replica } from './replica.ts';

export class Process {
  readonly self: Incarnation;
  readonly node: string;
  readonly cluster: Cluster;
  readonly replicas: Replica[] = [];
  readonly #rate: number;
  readonly #offsetMs: number;
  readonly #table = new LedTable();
  readonly #heartbeats = new Map<Incarnation, PeerHeartbeats>();
  readonly #waiting: (() => void)[] = [];
  readonly #endWatch: () => void;
  #beatAtMs = Number.POSITIVE_INFINITY;
  paused = false;
  alive = true;

  constructor(cluster: Cluster, self: Incarnation, gone: ReadonlySet<Incarnation>) {
    this.cluster = cluster;
    this.self = self;
    this.node = nodeOf(self);
    const { world, options } = cluster;
    this.#rate = 1 + (world.random() - 0.5) * 0.04;
    this.#offsetMs = world.random() * 100_000;
    for (let shard = 0; shard < options.shards; shard++) {
      const core = new ShardCore({
        self,
        gone,
        totalLoss: 'Hold',
        seed: Math.floor(world.random() * 2 ** 31),
        replication: {
          minInSync: options.minInSync,
          promiseMs: options.promiseMs,
          logBytesMax: options.logBytesMax,
          broken: world.broken,
        },
      });
      this.replicas.push(new Replica(this, shard, core));
    }
    this.#endWatch = cluster.store.watch((shard, lease) => {
      if (cluster.network.isCut(this.node, 'api')) return;
      this.run(() => this.replicas[shard]?.step({ kind: 'observed', lease }));
    });
  }

  /** This node's monotonic clock. */
  get nowMs(): number {
    return this.#offsetMs + this.cluster.world.clock.nowMs * this.#rate;
  }

  /** Runs now, or when the process goes on. */
  run(what: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.#waiting.push(what);
    else this.cluster.guarded(what);
  }

  /** By its own clock. */
  at(atMs: number, what: () => void): void {
    this.cluster.world.clock.after((atMs - this.nowMs) / this.#rate, () => this.run(what));
  }

  resume(): void {
    this.paused = false;
    const { random } = this.cluster.world;
    while (this.#waiting.length > 0 && !this.paused) {
      const [what] = this.#waiting.splice(Math.floor(random() * this.#waiting.length), 1);
      if (what !== undefined) this.run(what);
    }
  }

  kill(): void {
    this.alive = false;
    this.#endWatch();
    this.#waiting.length = 0;
  }

  peer(incarnation: Incarnation, state: 'up' | 'down' | 'refused'): void {
    if (state === 'up' && !this.#heartbeats.has(incarnation)) {
      for (const known of this.#heartbeats.keys()) {
        if (nodeOf(known) === nodeOf(incarnation)) this.#heartbeats.delete(known);
      }
      const { promiseMs } = this.cluster.options;
      const broken = this.cluster.world.broken;
      const table = this.#table;
      const beats = new PeerHeartbeats({ peer: incarnation, table, promiseMs, broken });
      this.#heartbeats.set(incarnation, beats);
      this.#beat();
    }
    this.#all({ kind: 'peer', incarnation, state });
  }

  /** After each step of a core: a new leadership asks for promises at once. */
  led(shard: number, leading: ShardCore['leading']): void {
    const { version } = this.#table;
    this.#table.set(shard, leading);
    if (this.#table.version !== version) this.#beat();
  }

  heartbeat(from: Incarnation, beat: Heartbeat): void {
    const answer = this.#heartbeats
      .get(from)
      ?.received(beat, this.nowMs, (row, peer, untilMs) =>
        this.replicas[row.shard]?.core.promise(row, peer, untilMs),
      );
    // A promise that was given moves the time of a campaign.
    for (const replica of this.replicas) replica.setWake();
    if (answer === undefined) return;
    this.cluster.send(this, from, (to) => to.heartbeatAnswered(this.self, answer));
  }

  heartbeatAnswered(from: Incarnation, answer: HeartbeatAnswer): void {
    for (const held of this.#heartbeats.get(from)?.answered(answer, this.nowMs) ?? []) {
      const { shard, epoch, untilMs } = held;
      this.replicas[shard]?.step({ kind: 'promised', by: from, epoch, untilMs });
    }
    for (const { shard, epoch } of answer.refused) {
      this.replicas[shard]?.step({ kind: 'promise-refused', by: from, epoch });
    }
  }

  #all(input: Input): void {
    for (const replica of this.replicas) replica.step(input);
  }

  #beat(): void {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const [to, beats] of this.#heartbeats) {
      const beat = beats.beat(this.nowMs);
      if (beat !== undefined)
        this.cluster.send(this, to, (peer) => peer.heartbeat(this.self, beat));
      dueMs = Math.min(dueMs, beats.dueMs);
    }
    if (dueMs >= this.#beatAtMs && this.#beatAtMs > this.nowMs) return;
    this.#beatAtMs = dueMs;
    this.at(dueMs, () => {
      if (this.#beatAtMs !== dueMs) return;
      this.#beatAtMs = Number.POSITIVE_INFINITY;
      this.#beat();
    });
  }
}
