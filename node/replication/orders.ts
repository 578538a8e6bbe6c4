/**
 * Hand-overs that somebody asked for and that have not begun yet: each core tells what came of its own within
 * `handOverAskMs`, and whoever asked for the same waits for the same answer.
 */

import type { Incarnation } from './core/identity.ts';
import type { CoreEvent } from './core/io.ts';

/** Why leadership is not given away: the order makes no sense, or can't be carried out now. */
export interface HandOverRefusal {
  readonly reason: 'INVALID' | 'SHARD_MOVING';
  readonly message: string;
}

interface Order {
  readonly shard: number;
  readonly to: Incarnation;
}

interface Waiting extends Order {
  readonly answer: PromiseWithResolvers<HandOverRefusal | undefined>;
}

export class HandOverOrders {
  /** One for each shard and member at most. */
  #waiting: Waiting[] = [];

  /** Ask before the core is told: it may answer at once. Undefined: it has begun. */
  ask({ shard, to }: Order): Promise<HandOverRefusal | undefined> {
    const same = this.#waiting.find((one) => one.shard === shard && one.to === to);
    if (same !== undefined) return same.answer.promise;
    const answer = Promise.withResolvers<HandOverRefusal | undefined>();
    this.#waiting.push({ shard, to, answer });
    return answer.promise;
  }

  /** What a core told. */
  told(shard: number, event: CoreEvent): void {
    if (event.kind === 'hand-over-begun') this.#answer({ shard, to: event.to }, undefined);
    if (event.kind === 'hand-over-refused') {
      const { to, message } = event;
      this.#answer({ shard, to }, { reason: 'SHARD_MOVING', message });
    }
  }

  #answer({ shard, to }: Order, refusal: HandOverRefusal | undefined): void {
    const answered = this.#waiting.filter((one) => one.shard === shard && one.to === to);
    this.#waiting = this.#waiting.filter((one) => !answered.includes(one));
    for (const { answer } of answered) answer.resolve(refusal);
  }
}
