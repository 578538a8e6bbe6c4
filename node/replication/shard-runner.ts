/**
 * Runs one core: hands it what happens, in order, and carries out what it asks for.
 *
 * Effects are carried out in their order, each one whole before the next. Some take several turns of the event
 * loop (a large copy is dropped in slices, the engine's writer may be another thread): until such a one is done,
 * nothing else happens to this shard; what comes meanwhile waits.
 */

import { crc32 } from 'node:zlib';
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { messageOf } from '@r-db/leases/errors.ts';
import type { LeaseEvent } from '@r-db/leases/store.ts';
import type { Engine, Serving } from '../engine/types.ts';
import type { Outcome } from './batches.ts';
import { ShardCore } from './core/core.ts';
import type { Freshness } from './core/heartbeats.ts';
import type { Incarnation } from './core/identity.ts';
import type { CoreEvent, CoreServing, Effect, Input, TotalLoss } from './core/io.ts';
import type { ShardMessage } from './core/messages.ts';
import type { Sessions } from './core/sessions.ts';
import type { CoreOptions } from './core/state.ts';
import type { LeaseRequests } from './lease-requests.ts';
import { limits } from './limits.ts';
import type { MemoryEngine } from './memory-reserve.ts';
import { ReplicaData, type ReplicaEngine } from './replica-data.ts';
import type { Wakes } from './wakes.ts';

export type ShardEngine = Pick<Engine, 'publish' | 'setRedirect' | 'setReplicated' | 'seal'> &
  ReplicaEngine &
  MemoryEngine;

/** A batch that is out: which, and whose threads wait for it. */
export interface SealedBatch {
  readonly shard: number;
  readonly batch: number;
  /** Bit i: data thread i added to it. */
  readonly writers: bigint;
  /** When it was sealed, monotonic milliseconds. */
  readonly sealedMs: number;
}

export interface ShardRunnerOptions {
  readonly shard: number;
  readonly core: CoreOptions;
  readonly engine: ShardEngine;
  readonly leases: LeaseRequests;
  readonly scheduler: Scheduler;
  readonly wakes: Pick<Wakes, 'at'>;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly data: Pick<ReplicaData['options'], 'pace' | 'reserve'>;
  readonly send: (to: Incarnation, shard: number, message: ShardMessage) => void;
  /** A batch goes off; `onResolved` follows. */
  readonly onSealed: () => void;
  readonly onResolved: (batch: SealedBatch, outcome: Outcome) => void;
  /** Whatever other threads gathered and was not sealed is gone. */
  readonly onAbandoned: (shard: number) => void;
  /** Writes wait that could not be sent off yet. */
  readonly onUnsealed: (runner: ShardRunner) => void;
  /** Who else leads now, as far as is known: told before clients are sent away, and no more of who led before until they stay. */
  readonly onOtherLeader: (shard: number, leader: Incarnation | undefined) => void;
  /** Told after every change of the core but of its log, with what it told; not before its effects are under way. */
  readonly onChange: (runner: ShardRunner, events: readonly CoreEvent[]) => void;
}

/** Done in slices: one in each turn of the event loop. The others wait for another thread. */
const isSliced = ({ kind }: Effect): boolean => kind === 'drop-data' || kind === 'begin-snapshot';

const nothingTold: readonly CoreEvent[] = [];
const noEffects: readonly Effect[] = [];

export class ShardRunner {
  readonly shard: number;
  readonly core: ShardCore;
  readonly #options: ShardRunnerOptions;
  readonly #data: ReplicaData;
  readonly #inputs: Input[] = [];
  /** Effects of the last step, and the first that is not carried out yet. */
  #effects: readonly Effect[] = [];
  #next = 0;
  #events: CoreEvent[] = [];
  #running = false;
  /** Writes wait in the engine's open batch, as far as is known. */
  #gathered = false;
  #out: SealedBatch | undefined;
  #replicated = false;
  /** Gathered before the engine was to commit by itself. */
  #alone: SealedBatch | undefined;
  #refuseMemory = false;
  /** How fresh the copy here was when it was last shown to readers of any replica. */
  #shownAsOfMs: number | undefined;
  #cancelRetry = (): void => {};
  #otherLeader: Incarnation | undefined;
  /** `core.looks` as last seen, and whether it was a leader then. */
  #looks = -1;
  #leads = false;
  #closed = false;

  constructor(options: ShardRunnerOptions) {
    const { shard, engine, data } = options;
    this.#options = options;
    this.shard = shard;
    this.core = new ShardCore(options.core);
    this.#data = new ReplicaData({ ...data, shard, engine });
  }

  /** Of the shard's copy here. */
  get sessions(): Sessions {
    return this.#data.sessions;
  }

  /** From the watch on the cluster's shard Leases. */
  observed(event: LeaseEvent): void {
    this.input(this.#options.leases.observed(event));
  }

  setTotalLoss(totalLoss: TotalLoss): void {
    this.input({ kind: 'policy', totalLoss });
  }

  shutdown(): void {
    this.input({ kind: 'shutdown' });
  }

  /** A call of the engine left writes in the open batch. */
  gathered(): void {
    this.#gathered = true;
  }

  /** Sends the open batch off, unless one is out. */
  seal(): void {
    if (this.#running || this.#next < this.#effects.length) return;
    const write = this.#sealed();
    if (write !== undefined) this.input(write);
  }

  /** Writes wait that could not be sent off yet. */
  get unsealed(): boolean {
    return this.#gathered && this.#out === undefined && !this.#closed;
  }

  /** `wakes` told that the core's moment has come. */
  wake(): void {
    const { wakeAtMs } = this.core;
    const { scheduler, wakes } = this.#options;
    if (wakeAtMs !== undefined && wakeAtMs <= scheduler.nowMs()) this.input({ kind: 'tick' });
    else wakes.at(this.shard, wakeAtMs);
  }

  /** Nothing is done any more, whatever is answered. */
  close(): void {
    this.#closed = true;
    this.#cancelRetry();
  }

  /** Inputs that come while effects are carried out wait their turn. */
  input(input: Input): void {
    if (this.#running || this.#next < this.#effects.length || this.#inputs.length > 0) {
      this.#inputs.push(input);
      if (!this.#running) this.#run();
      return;
    }
    // Nearly always: nothing waits.
    this.#run(this.#sealed() ?? input, input);
  }

  /** `first` is taken first, then `given`, where that is another one. */
  #run(first?: Input, given?: Input): void {
    if (this.#closed) return;
    this.#running = true;
    let quiet = first?.kind === 'message';
    try {
      if (first !== undefined) {
        if (given !== undefined && given !== first) this.#inputs.push(given);
        quiet = this.#step(first) && quiet;
      }
      while (this.#carryOut()) {
        const next = this.#nextInput();
        if (next === undefined) break;
        quiet = this.#step(next) && quiet;
      }
    } finally {
      this.#running = false;
    }
    if (this.#closed) return;
    if (!this.#leads) this.#showFreshness();
    const { looks } = this.core;
    // What a member says, while others are still to say it, moves no moment but to a later one.
    if (!quiet || looks !== this.#looks) this.#options.wakes.at(this.shard, this.core.wakeAtMs);
    if (looks === this.#looks && this.#events.length === 0) {
      if (this.unsealed) this.#options.onUnsealed(this);
      return;
    }
    this.#looks = looks;
    const { role } = this.core.serving;
    if (role === 'elsewhere') this.#tellOtherLeader();
    this.#leads = role === 'leader';
    const events = this.#events;
    if (events.length > 0) this.#events = [];
    this.#options.onChange(this, events.length > 0 ? events : nothingTold);
  }

  /** False: there is something to do. */
  #step(input: Input): boolean {
    this.#effects = this.core.step(input, this.#options.scheduler.nowMs());
    this.#next = 0;
    return this.#effects.length === 0;
  }

  /**
   * Writes that were made before an input came were made by the leader that this was then: they go into the log before
   * what may end that leadership.
   */
  #nextInput(): Input | undefined {
    if (this.#inputs.length === 0) return undefined;
    return this.#sealed() ?? this.#inputs.shift();
  }

  #sealed(): Input | undefined {
    if (!this.unsealed) return undefined;
    const { shard } = this;
    const sealed = this.#options.engine.seal(shard);
    if (sealed === 'busy') return undefined;
    this.#gathered = false;
    const epoch = this.core.leading?.epoch;
    // Gathered in a leadership that has ended: it was taken back with that.
    if (sealed === undefined || epoch === undefined) return undefined;
    const { batch, writers } = sealed;
    this.#out = { shard, batch, writers, sealedMs: this.#options.scheduler.nowMs() };
    this.#options.onSealed();
    const content = this.sessions.seal(sealed.content, this.#options.wallMs());
    const sequence = this.core.positions.last.sequence + 1;
    return {
      kind: 'write',
      epoch,
      entries: [{ sequence, content, checksum: crc32(content) }],
    };
  }

  /** False: one takes longer, and goes on by itself. */
  #carryOut(): boolean {
    while (this.#next < this.#effects.length) {
      const effect = this.#effects[this.#next] as Effect;
      if (this.#closed || !this.#tryEffect(effect)) {
        const waitMs = isSliced(effect) ? 0 : limits.retryMs;
        this.#cancelRetry = this.#options.scheduler.after(waitMs, () => this.#run());
        return false;
      }
      this.#next++;
    }
    this.#effects = noEffects;
    this.#next = 0;
    return true;
  }

  #tryEffect(effect: Effect): boolean {
    switch (effect.kind) {
      case 'send':
        this.#options.send(effect.to, this.shard, effect.message);
        return true;
      case 'commit':
        return this.#resolve('committed');
      case 'roll-back':
        return this.#resolve(effect.taken ? 'unknown' : 'not-taken');
      case 'publish':
        return this.#publish(effect.serving);
      case 'stop-writes':
        return this.#stopWrites();
      case 'apply':
        return this.#data.apply(effect.entries);
      case 'begin-snapshot':
        return this.#data.beginSnapshot();
      case 'install-cut':
        return this.#data.install(effect.cut);
      case 'end-snapshot':
        this.sessions.replace(effect.sessions);
        return true;
      case 'take-cut':
        this.#data.takeCut(effect, (cut) => this.input(cut));
        return true;
      case 'create-data':
        this.#create();
        return true;
      case 'drop-data':
        if (!this.#data.drop()) return false;
        this.#inputs.push({ kind: 'data-dropped' });
        return true;
      case 'read-lease':
        void this.#options.leases.read(effect).then((answer) => this.input(answer));
        return true;
      case 'write-lease':
        void this.#options.leases.write(effect).then((answer) => this.input(answer));
        return true;
      case 'tell':
        this.#events.push(effect.event);
        return true;
    }
  }

  #publish(serving: CoreServing): boolean {
    const { engine, onAbandoned } = this.#options;
    const { shard } = this;
    if (serving.role === 'leader' && !this.#replicate(!serving.alone)) return false;
    if (serving.role === 'elsewhere') this.#tellOtherLeader();
    engine.publish(shard, this.#shown(serving));
    if (serving.role === 'leader') {
      this.#tellOtherLeader();
      this.sessions.lead({ generation: serving.generation, wallMs: this.#options.wallMs() });
      return true;
    }
    this.sessions.dropGathered();
    if (this.#out !== undefined) return true;
    // What other threads gathered meanwhile belongs to a leadership that is over.
    if (!engine.rollback(shard)) return false;
    onAbandoned(shard);
    return true;
  }

  #tellOtherLeader(): void {
    const { otherLeader } = this.core;
    if (otherLeader === this.#otherLeader) return;
    this.#otherLeader = otherLeader;
    this.#options.onOtherLeader(this.shard, otherLeader);
  }

  /** Whether the engine's writes wait for commits, or it commits by itself: what was gathered then, too. */
  #replicate(replicated: boolean): boolean {
    if (this.#replicated === replicated) return true;
    const { engine, onResolved } = this.#options;
    const { shard } = this;
    if (!replicated) {
      const sealed = engine.seal(shard);
      if (sealed === 'busy') return false;
      if (sealed !== undefined) {
        const { batch, writers } = sealed;
        this.#alone = { shard, batch, writers, sealedMs: this.#options.scheduler.nowMs() };
        this.#options.onSealed();
      }
      if (!engine.commit(shard)) return false;
      this.sessions.commitAlone(this.#options.wallMs());
      if (this.#alone !== undefined) onResolved(this.#alone, 'committed');
      this.#alone = undefined;
    }
    if (!engine.setReplicated(shard, replicated)) return false;
    this.#replicated = replicated;
    return true;
  }

  /** Nothing more is gathered; what is, goes into the log before the answer. */
  #stopWrites(): boolean {
    if (this.#out === undefined) {
      this.#gathered = true;
      const write = this.#sealed();
      if (this.#gathered) return false;
      if (write !== undefined) this.#inputs.unshift(write);
    }
    this.#inputs.push({ kind: 'writes-stopped' });
    return true;
  }

  /** The leader told how far the shard was committed, for readers of any replica. */
  freshIf(freshness: Freshness): void {
    this.core.freshIf(freshness);
    if (!this.#running) this.#showFreshness();
  }

  /** Readers of any replica may read the copy here once it is known how old it may be. */
  #showFreshness(): void {
    const { serving, freshAsOfMs } = this.core;
    if (serving.role !== 'elsewhere' || this.#next < this.#effects.length) return;
    if (freshAsOfMs !== this.#shownAsOfMs)
      this.#options.engine.publish(this.shard, this.#shown(serving));
  }

  /** A follower has no room left: clients hear of it before a batch must wait for it (rule 4). */
  checkMemory(): void {
    const { serving, freeBytesMin } = this.core;
    if (serving.role !== 'leader' || this.#next < this.#effects.length) return;
    const enough = this.#refuseMemory ? limits.followerFreeBytesAgain : limits.followerFreeBytesMin;
    const refuse = freeBytesMin < enough;
    if (refuse === this.#refuseMemory) return;
    this.#refuseMemory = refuse;
    this.#options.engine.publish(this.shard, this.#shown(serving));
  }

  #shown(serving: CoreServing): Serving {
    this.#shownAsOfMs = undefined;
    if (serving.role === 'leader') return { ...serving, refuseMemory: this.#refuseMemory };
    const { freshAsOfMs, holding } = this.core;
    if (serving.role !== 'elsewhere' || freshAsOfMs === undefined) return serving;
    if (holding.generation === undefined) return serving;
    this.#shownAsOfMs = freshAsOfMs;
    return { ...serving, replicaReadable: true, generation: holding.generation, freshAsOfMs };
  }

  #create(): void {
    try {
      this.#data.create();
    } catch (error) {
      this.#inputs.push({ kind: 'data-refused', message: messageOf(error) });
      return;
    }
    this.#inputs.push({ kind: 'data-created' });
  }

  /** What became of the batch that is out. */
  #resolve(outcome: Outcome): boolean {
    const { engine, onResolved } = this.#options;
    const out = this.#out;
    if (out === undefined) return true;
    const done = outcome === 'committed' ? engine.commit(this.shard) : engine.rollback(this.shard);
    if (!done) return false;
    this.#out = undefined;
    if (outcome === 'committed') this.sessions.committed();
    else this.sessions.rolledBack();
    onResolved(out, outcome);
    return true;
  }
}
