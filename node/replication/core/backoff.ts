/** Waits between tries: doubling, bounded, with a random part drawn from a seed. */

import { limits } from './limits.ts';

export class Backoff {
  readonly #random: () => number;
  #failures = 0;
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** When the next try may start; -Infinity: at once. */
  get dueMs(): number {
    return this.#dueMs;
  }

  failed(nowMs: number): void {
    const wait = Math.min(limits.retryFirstMs * 2 ** this.#failures, limits.retryMostMs);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#dueMs = nowMs + wait * (1 - limits.retryJitter * this.#random());
  }

  succeeded(): void {
    this.#failures = 0;
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }
}

/** A small generator of numbers in [0, 1): the same seed gives the same numbers (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
