/** Connections whose next command waits for a shard: woken when the shard's control block or mutex changes. */
import type { Engine } from '../engine/types.ts';
import type { Clock } from './clock.ts';
import { serverLimits } from './limits.ts';
import type { ThreadStatistics } from './statistics.ts';

export interface Parked {
  /** Monotonic milliseconds at which waiting ends. */
  readonly parkedUntilMs: number;
  /** The shard changed: try again. May park again. */
  wake(): void;
  /** Waited long enough. */
  giveUp(): void;
}

export interface ParkingContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly statistics: ThreadStatistics;
}

export class Parking {
  readonly #context: ParkingContext;
  readonly #shards = new Map<number, Set<Parked>>();
  #count = 0;

  constructor(context: ParkingContext) {
    this.#context = context;
  }

  /** False: too many wait already, and this one was not added. */
  park(who: Parked, shard: number): boolean {
    if (this.#count >= serverLimits.parkedMax) {
      return false;
    }
    const waiting = this.#shards.get(shard);
    this.#counted(1);
    this.#context.statistics.add('parkedTotal', 1);
    if (waiting !== undefined) {
      waiting.add(who);
      return true;
    }
    const first = new Set([who]);
    this.#shards.set(shard, first);
    void this.#watch(shard, first);
    return true;
  }

  /** A connection that is gone waits no more. */
  remove(who: Parked): void {
    for (const waiting of this.#shards.values()) {
      if (waiting.delete(who)) {
        this.#counted(-1);
      }
    }
  }

  async #watch(shard: number, waiting: Set<Parked>): Promise<void> {
    const { engine, clock } = this.#context;
    while (waiting.size > 0) {
      let untilMs = Number.POSITIVE_INFINITY;
      for (const who of waiting) {
        untilMs = Math.min(untilMs, who.parkedUntilMs);
      }
      await engine.waitForShard(shard, Math.max(1, Math.ceil(untilMs - clock.monotonicMs())));
      // A shard that changes all the time must not keep the sockets from their turn.
      await new Promise(setImmediate);
      this.#wakeAll(waiting);
    }
    this.#shards.delete(shard);
  }

  #wakeAll(waiting: Set<Parked>): void {
    const nowMs = this.#context.clock.monotonicMs();
    const woken = [...waiting];
    waiting.clear();
    this.#counted(-woken.length);
    for (const who of woken) {
      if (nowMs >= who.parkedUntilMs) {
        this.#context.statistics.add('parkTimeouts', 1);
        who.giveUp();
      } else {
        who.wake();
      }
    }
  }

  #counted(change: number): void {
    this.#count += change;
    this.#context.statistics.set('parked', this.#count);
  }
}
