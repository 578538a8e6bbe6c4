/**
 * When cuts of snapshots are taken: one after the other, at a bounded rate, whatever the number of shards. If each went by
 * the clock alone, all that wait would be taken at once when it comes, and nobody else be served meanwhile.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { limits } from './limits.ts';

export class CutPace {
  readonly #scheduler: Scheduler;
  readonly #waiting: (() => number)[] = [];
  /** When the next one may be taken. */
  #atMs = Number.NEGATIVE_INFINITY;
  #scheduled = false;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** `take` is called once, in a later turn, and says how many bytes it took. */
  ask(take: () => number): void {
    this.#waiting.push(take);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    const waitMs = Math.max(0, this.#atMs - this.#scheduler.nowMs());
    this.#scheduler.after(waitMs, () => this.#takeDue());
  }

  #takeDue(): void {
    this.#scheduled = false;
    const nowMs = this.#scheduler.nowMs();
    while (this.#atMs <= nowMs) {
      const take = this.#waiting.shift();
      if (take === undefined) return;
      // From now on: what was not used meanwhile is no credit for a burst.
      this.#atMs = Math.max(this.#atMs, nowMs) + (take() / limits.cutBytesPerSecond) * 1_000;
    }
    this.#schedule();
  }
}
