/** Expiry of the shards whose home is this thread: a bounded piece of work at a time. */
import type { Engine } from '../engine/types.ts';
import type { Batches } from '../replication/batches.ts';
import type { Clock } from './clock.ts';
import { serverLimits } from './limits.ts';
import { ledShards } from './shards.ts';

export class Sweeper {
  readonly #engine: Engine;
  readonly #batches: Batches;
  readonly #clock: Clock;
  readonly #thread: number;
  readonly #threads: number;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;

  constructor(options: {
    readonly engine: Engine;
    readonly batches: Batches;
    readonly clock: Clock;
    readonly thread: number;
    readonly threads: number;
  }) {
    this.#engine = options.engine;
    this.#batches = options.batches;
    this.#clock = options.clock;
    this.#thread = options.thread;
    this.#threads = options.threads;
    this.#timer = setInterval(() => this.sweep(), serverLimits.sweepMs).unref();
  }

  /** One piece. Returns how many keys expired. */
  sweep(): number {
    const home = ledShards(this.#engine).filter((shard) => shard % this.#threads === this.#thread);
    if (home.length === 0) {
      return 0;
    }
    const { sweepRecordsMax } = serverLimits;
    const expired = this.#engine.sweep(home, sweepRecordsMax, this.#clock.nowMs());
    this.#batches.hold(undefined);
    // Many are due: go on once the sockets had their turn, rather than fall behind.
    if (expired >= sweepRecordsMax && this.#soon === undefined && this.#timer !== undefined) {
      this.#soon = setImmediate(() => {
        this.#soon = undefined;
        this.sweep();
      });
    }
    return expired;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#soon !== undefined) {
      clearImmediate(this.#soon);
    }
  }
}
