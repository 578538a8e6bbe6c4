/** The network below the connections: delay, and cuts in one direction or both. Node `api` is the API server. */

import type { World } from './world.ts';

export interface NetworkFaults {
  /** Most of the delays are a tenth of it. */
  delayMs: number;
  /** Part of messages that take up to a hundred times as long. */
  slow: number;
  /** Of datagrams alone: a connection loses nothing but all that was on its way when it broke. */
  lost: number;
  doubled: number;
}

export class SimulatedNetwork {
  readonly faults: NetworkFaults = { lost: 0, doubled: 0, delayMs: 5, slow: 0 };
  readonly #world: World;
  /** How many faults cut this way at the moment. */
  readonly #cuts = new Map<string, number>();
  readonly #slowed = new Map<string, number>();
  readonly #healed: (() => void)[] = [];
  /** Changes when all is healed: what was cut before that is not healed again. */
  #era = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Returns how to heal it. */
  cut(from: string, to: string): () => void {
    const way = wayOf(from, to);
    this.#cuts.set(way, (this.#cuts.get(way) ?? 0) + 1);
    const era = this.#era;
    return () => {
      if (era !== this.#era) return;
      const left = (this.#cuts.get(way) ?? 1) - 1;
      if (left > 0) this.#cuts.set(way, left);
      else this.#cuts.delete(way);
      for (const told of this.#healed) told();
    };
  }

  /** What goes this way takes so much longer. Returns how to end it. */
  slowDown(from: string, to: string, byMs: number): () => void {
    const way = wayOf(from, to);
    this.#slowed.set(way, byMs);
    return () => this.#slowed.delete(way);
  }

  heal(): void {
    this.#era++;
    this.#cuts.clear();
    this.#slowed.clear();
    for (const told of this.#healed) told();
  }

  onHeal(told: () => void): void {
    this.#healed.push(told);
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(wayOf(from, to));
  }

  delayMs(from: string, to: string): number {
    const { random } = this.#world;
    const { delayMs, slow } = this.faults;
    const more = this.#slowed.size === 0 ? 0 : (this.#slowed.get(wayOf(from, to)) ?? 0);
    if (slow > 0 && random() < slow) return more + random() * delayMs * 100;
    return more + delayMs * (random() < 0.9 ? 0.1 * random() : random());
  }
}

const wayOf = (from: string, to: string): string => `${from}>${to}`;
