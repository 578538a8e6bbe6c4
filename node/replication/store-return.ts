/**
 * Notices that the LeaseStore answers again, for all shards of a node at once.
 *
 * Each core waits longer and longer after failures, which spares an API server in trouble but would leave its
 * shards without writes for seconds after its return. So while requests of some shards go unanswered, one of them
 * at a time tries at a short pace, and the first answer lets all of them try.
 */
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { limits } from './limits.ts';

export class StoreReturn {
  readonly #scheduler: Scheduler;
  readonly #tryAgain: (shard: number) => void;
  /** Shards whose last request went unanswered, the one that waits longest first. */
  readonly #waiting = new Set<number>();
  #cancel: (() => void) | undefined;

  constructor(scheduler: Scheduler, tryAgain: (shard: number) => void) {
    this.#scheduler = scheduler;
    this.#tryAgain = tryAgain;
  }

  unanswered(shard: number): void {
    this.#waiting.delete(shard);
    this.#waiting.add(shard);
    this.#cancel ??= this.#scheduler.after(limits.storeProbeMs, () => this.#probe());
  }

  answered(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this[Symbol.dispose]();
    for (const shard of waiting) this.#tryAgain(shard);
  }

  [Symbol.dispose](): void {
    this.#waiting.clear();
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #probe(): void {
    this.#cancel = undefined;
    const [shard] = this.#waiting;
    if (shard === undefined) return;
    // It stays: its request may hang, and others are tried meanwhile.
    this.unanswered(shard);
    this.#tryAgain(shard);
  }
}
