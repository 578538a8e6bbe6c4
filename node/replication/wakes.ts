/**
 * When the cores of a node want to be woken: one timer for all of them.
 *
 * On a busy node every batch of every shard moves such a moment, and a timer set and cleared for each costs more than the
 * batch. A timer that is early does no harm: it looks again. So one is only set anew for an earlier moment.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';

export class Wakes implements Disposable {
  readonly #scheduler: Scheduler;
  readonly #wake: (shard: number) => void;
  /** By shard, monotonic milliseconds. */
  readonly #dueMs: Float64Array;
  #armedMs = Number.POSITIVE_INFINITY;
  #cancel = (): void => {};
  #closed = false;

  constructor(options: {
    readonly shards: number;
    readonly scheduler: Scheduler;
    /** Its moment has come; it says anew when the next one is. */
    readonly wake: (shard: number) => void;
  }) {
    this.#scheduler = options.scheduler;
    this.#wake = options.wake;
    this.#dueMs = new Float64Array(options.shards).fill(Number.POSITIVE_INFINITY);
  }

  /** In place of what was said of this shard before; undefined: never. */
  at(shard: number, atMs: number | undefined): void {
    const dueMs = atMs ?? Number.POSITIVE_INFINITY;
    this.#dueMs[shard] = dueMs;
    if (dueMs < this.#armedMs) this.#arm(dueMs);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#cancel();
  }

  #arm(atMs: number): void {
    if (this.#closed) return;
    this.#cancel();
    this.#armedMs = atMs;
    const waitMs = Math.max(0, atMs - this.#scheduler.nowMs());
    this.#cancel = this.#scheduler.after(waitMs, () => this.#look());
  }

  #look(): void {
    // What is said meanwhile is looked at below.
    this.#armedMs = Number.NEGATIVE_INFINITY;
    const nowMs = this.#scheduler.nowMs();
    const { length } = this.#dueMs;
    for (let shard = 0; shard < length; shard++) {
      if ((this.#dueMs[shard] as number) > nowMs) continue;
      this.#dueMs[shard] = Number.POSITIVE_INFINITY;
      this.#wake(shard);
    }
    let nextMs = Number.POSITIVE_INFINITY;
    for (const dueMs of this.#dueMs) if (dueMs < nextMs) nextMs = dueMs;
    this.#armedMs = Number.POSITIVE_INFINITY;
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
  }
}
