/**
 * What one thread knows of batches that are out: who waits for them, and what became of them.
 *
 * A call of the engine on a replicated shard leaves its writes on the hidden side, in the shard's open batch. Replies
 * of such a call wait here until the home thread has got every batch that it touched committed, or taken back.
 */

import type { Gathered } from '../engine/types.ts';

/** Committed; or another leader may yet commit it (`unknown`); or nothing of it was kept or sent. */
export type Outcome = 'committed' | 'unknown' | 'not-taken';

export interface Holder {
  /** Once for each batch that it waits for. */
  resolved(outcome: Outcome): void;
}

interface Waiting {
  readonly batch: number;
  readonly holders: Holder[];
}

export interface BatchesOptions {
  readonly engine: { readonly gathered: Gathered };
  /** Writes of this thread wait in this shard's batch: the home thread must know. */
  readonly onGathered: (shard: number) => void;
}

export class Batches {
  readonly #options: BatchesOptions;
  /** By shard. */
  readonly #waiting: (readonly Waiting[])[] = [];

  constructor(options: BatchesOptions) {
    this.#options = options;
  }

  /**
   * To be called after each call of the engine that may have written, before anything else happens in this thread.
   * The number of batches that `holder` hears of from now on; 0: nothing is uncommitted.
   */
  hold(holder: Holder | undefined): number {
    const { gathered } = this.#options.engine;
    const { count } = gathered;
    let held = 0;
    for (let index = 0; index < count; index++) held += this.#hold(gathered, index, holder);
    return held;
  }

  /** As `hold`, with a promise for each shard; undefined: nothing is uncommitted. */
  promises(): ReadonlyMap<number, Promise<Outcome>> | undefined {
    const { gathered } = this.#options.engine;
    const { count } = gathered;
    if (count === 0) return undefined;
    const promises = new Map<number, Promise<Outcome>>();
    for (let index = 0; index < count; index++) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      if (this.#hold(gathered, index, { resolved: resolve }) === 0) continue;
      promises.set(gathered.shards[index] as number, promise);
    }
    return promises;
  }

  resolve(shard: number, batch: number, outcome: Outcome): void {
    const waiting = this.#waiting[shard];
    if (waiting === undefined) return;
    const resolved = waiting.find((one) => one.batch === batch);
    if (resolved === undefined) return;
    this.#waiting[shard] =
      waiting.length === 1 ? nobody : waiting.filter((one) => one !== resolved);
    for (const holder of resolved.holders) holder.resolved(outcome);
  }

  /** Batches of the shard that nothing more will be heard of. */
  abandon(shard: number): void {
    const waiting = this.#waiting[shard];
    // A shard that was never written to has no place here, and those before it need none.
    if (waiting === undefined) return;
    this.#waiting[shard] = nobody;
    for (const { holders } of waiting) {
      for (const holder of holders) holder.resolved('unknown');
    }
  }

  /** How many batches it hears of: one, or none. */
  #hold(gathered: Gathered, index: number, holder: Holder | undefined): 0 | 1 {
    const shard = gathered.shards[index] as number;
    this.#options.onGathered(shard);
    // Two batches of a shard: the later one implies the earlier, which is resolved by now.
    if (gathered.count > 1 && standsAgain(gathered, index)) return 0;
    if (holder !== undefined) this.#wait(shard, gathered.batches[index] as number, holder);
    return 1;
  }

  #wait(shard: number, batch: number, holder: Holder): void {
    // Without gaps: shards are few, and a look-up comes with every write.
    while (this.#waiting.length <= shard) this.#waiting.push(nobody);
    const waiting = this.#waiting[shard] as readonly Waiting[];
    if (waiting.length === 0) {
      this.#waiting[shard] = [{ batch, holders: [holder] }];
      return;
    }
    // More than one where the home's word on the one before is still under way to this thread.
    const same = waiting.find((one) => one.batch === batch);
    if (same === undefined) this.#waiting[shard] = [...waiting, { batch, holders: [holder] }];
    else same.holders.push(holder);
  }
}

const nobody: readonly Waiting[] = [];

/** Whether the shard stands again behind `index`. */
function standsAgain({ count, shards }: Gathered, index: number): boolean {
  for (let later = index + 1; later < count; later++) {
    if (shards[later] === shards[index]) return true;
  }
  return false;
}
