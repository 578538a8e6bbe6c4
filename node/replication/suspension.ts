/**
 * Notices that the host was suspended: its monotonic clock stands still then, and the wall clock is set when it goes on.
 *
 * Where both stand still, as in a virtual machine that was paused, nothing tells until somebody sets the wall clock.
 */

import { limits } from './limits.ts';

export interface Clocks {
  readonly monotonicMs: () => number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

export class SuspensionWatch {
  readonly #clocks: Clocks;
  #apartMs: number | undefined;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#apartMs = this.#read();
  }

  /** Whether the host was suspended since the last look; or its wall clock put forward, which does no harm. */
  look(): boolean {
    const before = this.#apartMs;
    const now = this.#read();
    if (now === undefined) return false;
    this.#apartMs = now;
    return before !== undefined && now - before > limits.suspendedMs;
  }

  /** By how much the clocks are apart; undefined: this process waited for its turn between the two. */
  #read(): number | undefined {
    const { monotonicMs, wallMs } = this.#clocks;
    const before = monotonicMs();
    const wall = wallMs();
    return monotonicMs() - before > limits.clocksReadMs ? undefined : wall - before;
  }
}
