/** The network between processes: delay, loss, duplication, cut in one direction or both. */

import type { World } from './world.ts';

export interface NetworkFaults {
  lost: number;
  doubled: number;
  /** Most of the delays are a tenth of it. */
  delayMs: number;
  /** Part of messages that take up to a hundred times as long. */
  slow: number;
}

export class SimulatedNetwork {
  readonly faults: NetworkFaults = { lost: 0, doubled: 0, delayMs: 5, slow: 0 };
  readonly #world: World;
  readonly #cut = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  send(from: string, to: string, deliver: () => void): void {
    const { random, clock } = this.#world;
    const { lost, doubled } = this.faults;
    const copies = random() < doubled ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (random() < lost || this.isCut(from, to)) continue;
      clock.after(this.#delay(), () => {
        if (!this.isCut(from, to)) deliver();
      });
    }
  }

  #delay(): number {
    const { random } = this.#world;
    const { delayMs, slow } = this.faults;
    if (random() < slow) return random() * delayMs * 100;
    return delayMs * (random() < 0.9 ? 0.1 * random() : random());
  }
}
