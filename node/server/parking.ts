/**
 * Connections whose next command waits for a shard: woken when the shard's control block or mutex changes, or, where
 * this very thread ends the shard's batches, when it says so: waiting on memory costs more than many a command.
 */
import type { Engine, Serving } from '../engine/types.ts';
import type { Clock } from './clock.ts';
import { serverLimits } from './limits.ts';
import type { ThreadStatistics } from './statistics.ts';
import { Turn } from './turn.ts';

export interface Parked {
  /** Monotonic milliseconds at which waiting ends. */
  readonly parkedUntilMs: number;
  /** The shard changed: try again. May park again. */
  wake(): void;
  /** Waited long enough. */
  giveUp(): void;
}

/** How many promises a command waits for a shard: more where somebody is about to lead it, for then waiting helps. */
export function patience(serving: Serving): number {
  // 0: leadership has just begun, or is being given away.
  const changes =
    serving.role === 'starting' || (serving.role === 'leader' && serving.readUntilMs === 0);
  return changes ? serverLimits.changePatiencePromises : serverLimits.patiencePromises;
}

export interface ParkingContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly statistics: ThreadStatistics;
  readonly turn?: Turn;
}

const nobody: readonly Parked[] = [];

export class Parking {
  readonly #context: ParkingContext;
  /** Who waits for changes in memory, by shard. */
  readonly #watched = new Map<number, Set<Parked>>();
  /** Who waits for `changed`, by shard; and the shards that have. No Sets: many a command comes here, nearly always alone. */
  readonly #told: Parked[][] = [];
  #changed: number[] = [];
  readonly #ask: () => void;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(context: ParkingContext) {
    const { turn = new Turn() } = context;
    this.#context = context;
    // Not at once: a shard that changes all the time must not keep the sockets from their turn.
    this.#ask = turn.on('wake', () => this.#wakeChanged());
  }

  /**
   * `isTold`: `changed` will be called when the shard is free again.
   * False: too many wait already, and this one was not added.
   */
  park(who: Parked, shard: number, isTold = false): boolean {
    if (this.#count >= serverLimits.parkedMax) {
      return false;
    }
    this.#counted(1);
    this.#context.statistics.add('parkedTotal', 1);
    if (isTold) this.#tell(who, shard);
    else this.#watchFor(who, shard);
    return true;
  }

  #tell(who: Parked, shard: number): void {
    while (this.#told.length <= shard) this.#told.push([]);
    const waiting = this.#told[shard];
    if (waiting === undefined || waiting.length === 0) this.#told[shard] = [who];
    else waiting.push(who);
    this.#arm(who.parkedUntilMs);
  }

  #watchFor(who: Parked, shard: number): void {
    const waiting = this.#watched.get(shard);
    if (waiting !== undefined) {
      waiting.add(who);
      return;
    }
    const first = new Set([who]);
    this.#watched.set(shard, first);
    void this.#watch(shard, first);
  }

  /** The batch of a shard is over. */
  changed(shard: number): void {
    if ((this.#told[shard] ?? nobody).length === 0) return;
    this.#changed.push(shard);
    this.#ask();
  }

  /** A connection that is gone waits no more. */
  remove(who: Parked): void {
    for (const waiting of this.#watched.values()) {
      if (waiting.delete(who)) this.#counted(-1);
    }
    for (const [shard, waiting] of this.#told.entries()) {
      if (!waiting.includes(who)) continue;
      this.#told[shard] = waiting.filter((one) => one !== who);
      this.#counted(-1);
    }
  }

  #wakeChanged(): void {
    const shards = this.#changed;
    this.#changed = [];
    for (const shard of shards) {
      const waiting = this.#told[shard] ?? nobody;
      // Those that park again wait anew.
      this.#told[shard] = [];
      this.#wakeAll(waiting);
    }
  }

  /** For who waits longest; whoever else is late by then is given up with it. */
  #arm(untilMs: number): void {
    if (this.#timer !== undefined) return;
    const waitMs = Math.max(1, Math.ceil(untilMs - this.#context.clock.monotonicMs()));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const nowMs = this.#context.clock.monotonicMs();
      let nextMs = Number.POSITIVE_INFINITY;
      for (const [shard, waiting] of this.#told.entries()) {
        const late = waiting.filter(({ parkedUntilMs }) => parkedUntilMs <= nowMs);
        if (late.length > 0) {
          this.#told[shard] = waiting.filter(({ parkedUntilMs }) => parkedUntilMs > nowMs);
        }
        for (const who of late) this.#giveUp(who);
        for (const { parkedUntilMs } of this.#told[shard] ?? nobody) {
          nextMs = Math.min(nextMs, parkedUntilMs);
        }
      }
      if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
    }, waitMs).unref();
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
      const woken = [...waiting];
      waiting.clear();
      this.#wakeAll(woken);
    }
    this.#watched.delete(shard);
  }

  #wakeAll(woken: readonly Parked[]): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const who of woken) {
      if (nowMs >= who.parkedUntilMs) {
        this.#giveUp(who);
      } else {
        this.#counted(-1);
        who.wake();
      }
    }
  }

  #giveUp(who: Parked): void {
    this.#counted(-1);
    this.#context.statistics.add('parkTimeouts', 1);
    who.giveUp();
  }

  #counted(change: number): void {
    this.#count += change;
    this.#context.statistics.set('parked', this.#count);
  }
}
