/**
 * Heartbeats between this node and one peer, for all shards at once (rule 8).
 *
 * Each side keeps a table of what it leads; a heartbeat carries its version and the rows that changed since
 * the version that the peer last named. The peer promises not to campaign for any of them, but for those
 * that it refuses. It counts from receipt, this side from when it sent.
 *
 * For `ANY_REPLICA` an answer carries a mark of the follower's clock, which comes back in the next heartbeat beside
 * the commit index of each shard whose leader then held all promises: nothing that was acknowledged before the mark is
 * beyond that index, so who has applied so much is as fresh as the mark, whether in the in-sync set or not. One object for each pair of nodes
 * (or of data threads) and each connection of theirs; the cores of the shards judge and remember.
 */

import { type Epoch, epoch, type Generation, type Incarnation } from './identity.ts';
import { limits } from './limits.ts';
import type {
  Heartbeat,
  HeartbeatAnswer,
  LedShard,
  PromiseRefusal,
  ShardCommit,
} from './messages.ts';
import type { BreakableRule } from './rules.ts';

/** A promise that the peer gave for one shard. */
export interface HeldPromise {
  readonly shard: number;
  readonly epoch: Epoch;
  /** Monotonic milliseconds of this node. */
  readonly untilMs: number;
}

/** What a shard's core says when it is asked for a promise. */
export type PromiseAsk = (row: LedShard, from: Incarnation, untilMs: number) => Refused | undefined;
export type Refused = Omit<PromiseRefusal, 'shard'>;

/** What a shard's leader says of its commit index: `ShardCore.committedIfHeld`. */
export type CommittedOf = (shard: number) => number | undefined;

/** A replica that has applied so much is as fresh as that moment of this node's clock: for `ShardCore.freshIf`. */
export interface Freshness {
  readonly shard: number;
  readonly generation: Generation;
  readonly committed: number;
  readonly asOfMs: number;
}

/** What this node leads. One for all peers. */
export class LedTable {
  readonly #rows = new Map<number, LedShard & { readonly version: number }>();
  #version = 0;

  get version(): number {
    return this.#version;
  }

  set(shard: number, led: { epoch: Epoch; generation: Generation } | undefined): void {
    const before = this.#rows.get(shard);
    const wanted = led?.epoch ?? epoch(0);
    const generation = led?.generation ?? before?.generation;
    if ((before?.epoch ?? 0) === wanted || generation === undefined) return;
    this.#rows.set(shard, { shard, epoch: wanted, generation, version: ++this.#version });
  }

  changedSince(version: number): LedShard[] {
    return [...this.#rows.values()]
      .filter((row) => row.version > version)
      .sort((a, b) => a.version - b.version)
      .map(({ version: _, ...row }) => row);
  }

  /** The shards that are led. */
  *shards(): Iterable<number> {
    for (const { shard, epoch } of this.#rows.values()) if (epoch > 0) yield shard;
  }

  /** Rows that were in the table at `version` and are still the same. */
  asOf(version: number): LedShard[] {
    return [...this.#rows.values()].filter((row) => row.epoch > 0 && row.version <= version);
  }
}

export class PeerHeartbeats {
  readonly #peer: Incarnation;
  readonly #table: LedTable;
  #promiseMs: number;
  readonly #broken: BreakableRule | undefined;
  #number = 0;
  #dueMs = Number.NEGATIVE_INFINITY;
  #toldVersion = 0;
  /** The peer has taken the table up to here. */
  #namedVersion = 0;
  readonly #sentMs = new Map<number, number>();
  /** What the peer leads, by its own table. */
  readonly #peerRows = new Map<number, LedShard>();
  #peerNumber = 0;
  #peerVersion = 0;
  /** Of the peer's last answer. */
  #peerMark: number | undefined;

  constructor(options: {
    readonly peer: Incarnation;
    readonly table: LedTable;
    readonly promiseMs: number;
    readonly broken?: BreakableRule | undefined;
  }) {
    this.#peer = options.peer;
    this.#table = options.table;
    this.#promiseMs = options.promiseMs;
    this.#broken = options.broken;
  }

  /** What is asked for from the next heartbeat on; that one comes at once, as the pace is another. */
  set promiseMs(promiseMs: number) {
    if (promiseMs === this.#promiseMs) return;
    this.#promiseMs = promiseMs;
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }

  /** When `beat` wants to be called: every fifth of a promise, at once for a new leadership. */
  get dueMs(): number {
    return this.#table.version > this.#toldVersion ? Number.NEGATIVE_INFINITY : this.#dueMs;
  }

  /** The heartbeat that is due, if one is. */
  beat(nowMs: number, committedOf: CommittedOf = () => undefined): Heartbeat | undefined {
    if (this.dueMs > nowMs) return undefined;
    this.#dueMs = nowMs + this.#promiseMs / limits.heartbeatsAPromise;
    this.#toldVersion = this.#table.version;
    const number = ++this.#number;
    this.#sentMs.set(number, nowMs);
    // Older ones could only give promises that have run out.
    this.#sentMs.delete(number - limits.heartbeatsRemembered);
    const led = this.#table.changedSince(this.#namedVersion);
    const beat = { number, promiseMs: this.#promiseMs, tableVersion: this.#toldVersion, led };
    if (this.#peerMark === undefined) return beat;
    const committed: ShardCommit[] = [];
    for (const shard of this.#table.shards()) {
      const sequence = committedOf(shard);
      if (sequence !== undefined) committed.push({ shard, committed: sequence });
    }
    return { ...beat, echoedMark: this.#peerMark, committed };
  }

  /** Answers the peer's heartbeat; undefined: an old one. */
  received(beat: Heartbeat, nowMs: number, ask: PromiseAsk): HeartbeatAnswer | undefined {
    if (beat.number <= this.#peerNumber) return undefined;
    this.#peerNumber = beat.number;
    for (const row of beat.led) this.#peerRows.set(row.shard, row);
    this.#peerVersion = beat.tableVersion;
    const refused: PromiseRefusal[] = [];
    for (const row of this.#peerRows.values()) {
      if (row.epoch === 0) continue;
      const refusal = ask(row, this.#peer, nowMs + beat.promiseMs);
      if (refusal !== undefined) refused.push({ shard: row.shard, ...refusal });
    }
    const { number, promiseMs } = beat;
    // A whole number, and never later than now.
    return { number, promiseMs, tableVersion: this.#peerVersion, refused, mark: Math.floor(nowMs) };
  }

  /** What the heartbeat says of how fresh this node's replicas are, once it was `received`. */
  freshness({ echoedMark: asOfMs, committed = [] }: Heartbeat): Freshness[] {
    if (asOfMs === undefined) return [];
    return committed.flatMap(({ shard, committed: sequence }) => {
      const row = this.#peerRows.get(shard);
      if (row === undefined || row.epoch === 0) return [];
      return [{ shard, generation: row.generation, committed: sequence, asOfMs }];
    });
  }

  /** Promises that the answer gives, for leaderships that its heartbeat already named. */
  answered(answer: HeartbeatAnswer, nowMs: number): HeldPromise[] {
    const sentMs = this.#sentMs.get(answer.number);
    if (sentMs === undefined) return [];
    this.#peerMark = Math.max(this.#peerMark ?? 0, answer.mark ?? 0);
    this.#namedVersion = Math.max(this.#namedVersion, answer.tableVersion);
    const from = this.#broken === 'promise-from-receipt' ? nowMs : sentMs;
    const length =
      this.#broken === 'promise-without-margin'
        ? answer.promiseMs
        : answer.promiseMs * (1 - limits.clockDriftMax) - limits.clockMarginMs;
    const refused = new Set(answer.refused.map(({ shard }) => shard));
    return this.#table
      .asOf(answer.tableVersion)
      .filter(({ shard }) => !refused.has(shard))
      .map(({ shard, epoch }) => ({ shard, epoch, untilMs: from + length }));
  }
}
