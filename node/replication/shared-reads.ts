/**
 * One quorum read for all shards of a node that only want to see that the LeaseStore answers.
 *
 * Who campaigns must know that the store is there, since from before its compare-and-set until that is resolved it
 * promises nothing to anyone. When a node dies its shards' followers want to know it in the same moment.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { limits } from './limits.ts';

/** How a read ended, for whoever did not send it: what it was answered is another shard's. */
export type SharedAnswer<T> = { readonly own: T } | { readonly others: T };

interface Waiting<T> {
  readonly send: () => Promise<T>;
  readonly resolve: (answer: SharedAnswer<T>) => void;
}

export class SharedReads<T> {
  readonly #scheduler: Scheduler;
  #waiting: Waiting<T>[] = [];

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Sends this read, or shares one that is sent from now on. */
  ask(send: () => Promise<T>): Promise<SharedAnswer<T>> {
    const { promise, resolve } = Promise.withResolvers<SharedAnswer<T>>();
    this.#waiting.push({ send, resolve });
    if (this.#waiting.length === 1) {
      this.#scheduler.after(limits.gatherReadsMs, () => void this.#send());
    }
    return promise;
  }

  async #send(): Promise<void> {
    const [first, ...others] = this.#waiting;
    this.#waiting = [];
    if (first === undefined) return;
    const answer = await first.send();
    first.resolve({ own: answer });
    for (const { resolve } of others) resolve({ others: answer });
  }
}
