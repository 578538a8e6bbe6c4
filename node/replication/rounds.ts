/**
 * Which batches go off together. While many are out, what is gathered meanwhile waits for them: a busy node so sends fewer and
 * fuller frames, each of which costs a read, a wake-up and an answer of every follower. With few out nothing waits.
 */

import { limits } from './limits.ts';

export class Rounds {
  #out = 0;
  /** When the round that is out began; what waits for it has waited for no longer. */
  #sinceMs = 0;

  /** A batch went off. */
  began(nowMs: number): void {
    if (this.#out === 0) this.#sinceMs = nowMs;
    this.#out++;
  }

  /** It was committed or taken back. */
  ended(): void {
    this.#out--;
  }

  /** When more may go off; now or earlier: at once. Sooner, once enough have `ended`. */
  nextMs(nowMs: number): number {
    return this.#out < limits.roundBatchesMin ? nowMs : this.#sinceMs + limits.roundMs;
  }
}
