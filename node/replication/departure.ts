/**
 * A node that leaves hands over what it leads a few shards at a time, and the others serve on until it is their turn:
 * the store takes one request after the other, and a shard that waits for its own would serve nobody meanwhile. So none
 * begins before the store has answered since the node is to leave, and again after one that took it long: while the store
 * is away, the node serves as long as it lives.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { limits } from './limits.ts';

export interface Leaver {
  readonly shard: number;
  readonly core: { readonly leading: object | undefined };
  /** Hands over what it leads, if it does. */
  shutdown(): void;
}

export interface DepartureOptions {
  readonly scheduler: Pick<Scheduler, 'after'>;
  /** Resolves once the store has answered a request that was sent since, be it no. */
  readonly storeAnswers: () => Promise<void>;
}

export class Departure {
  readonly #options: DepartureOptions;
  readonly #waiting: Leaver[] = [];
  /** Shards that are being handed over, each with what ends the patience with it. */
  readonly #under = new Map<number, () => void>();
  #asking = false;
  #storeAwaited = false;

  constructor(leavers: readonly Leaver[], options: DepartureOptions) {
    this.#options = options;
    for (const leaver of leavers) {
      if (leaver.core.leading === undefined) leaver.shutdown();
      else this.#waiting.push(leaver);
    }
    this.#awaitStore();
  }

  /** After every change of a shard. */
  changed({ shard, core }: Leaver): void {
    if (core.leading === undefined) this.#done(shard);
  }

  #next(): void {
    // One that has nobody to hand over to leaves at once, and says so in the middle of this.
    if (this.#asking || this.#storeAwaited) return;
    this.#asking = true;
    while (this.#under.size < limits.handOversAtOnce) {
      const leaver = this.#waiting.shift();
      if (leaver === undefined) break;
      const { shard } = leaver;
      const cancel = this.#options.scheduler.after(limits.handOverPatienceMs, () => {
        this.#awaitStore();
        this.#done(shard);
      });
      this.#under.set(shard, cancel);
      leaver.shutdown();
      this.changed(leaver);
    }
    this.#asking = false;
  }

  #awaitStore(): void {
    if (this.#storeAwaited || this.#waiting.length === 0) return;
    this.#storeAwaited = true;
    void this.#options.storeAnswers().then(() => {
      this.#storeAwaited = false;
      this.#next();
    });
  }

  #done(shard: number): void {
    const cancel = this.#under.get(shard);
    if (cancel === undefined) return;
    cancel();
    this.#under.delete(shard);
    this.#next();
  }
}
