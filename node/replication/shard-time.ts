/**
 * The time by which keys expire. It never runs backwards, not over a failover either: a leader's clock travels in its
 * heartbeats, and who follows is never behind it. It follows the wall clock slowly, so that a clock that
 * is set wrong, by a day, expires nothing: that is a metric and a line in the log.
 *
 * All threads read it: monotonic clock + an offset in shared memory, which the replication home alone changes.
 */

import { limits } from './limits.ts';

export interface ShardTimeOptions {
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** The same monotonic clock in all threads. */
  readonly monotonicMs: () => number;
  /** One number, shared by all threads. */
  readonly offset: Float64Array;
  /** The wall clock jumped, or a peer's time is not believed. */
  readonly onTrouble: (message: string) => void;
}

/** Before any thread starts. */
export function makeShardTime(
  clock: Pick<ShardTimeOptions, 'wallMs' | 'monotonicMs'>,
): Float64Array {
  const offset = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
  offset[0] = clock.wallMs() - clock.monotonicMs();
  return offset;
}

export class ShardTime {
  readonly #options: ShardTimeOptions;
  #adjustedMs: number;
  /** Told once for each time that it begins. */
  #apart = false;

  constructor(options: ShardTimeOptions) {
    this.#options = options;
    this.#adjustedMs = options.monotonicMs();
  }

  /** Milliseconds since 1970, a whole number. */
  nowMs(): number {
    return Math.floor(this.#options.monotonicMs() + this.#offset);
  }

  /** By how much the wall clock is ahead of it, milliseconds. */
  get behindMs(): number {
    const { wallMs, monotonicMs } = this.#options;
    return wallMs() - monotonicMs() - this.#offset;
  }

  /** Goes towards the wall clock, by a small part of the time that passed. To be called now and then. */
  adjust(): void {
    const { monotonicMs, onTrouble } = this.#options;
    const nowMs = monotonicMs();
    const most = (nowMs - this.#adjustedMs) * limits.clockSlew;
    this.#adjustedMs = nowMs;
    const behindMs = this.behindMs;
    this.#move(Math.max(-most, Math.min(most, behindMs)));
    const apart = Math.abs(behindMs) > limits.clockApartMs;
    if (apart && !this.#apart) {
      onTrouble(
        `the wall clock is ${Math.round(behindMs)} ms from the time by which keys expire: it was set, or set wrong; that time follows slowly`,
      );
    }
    this.#apart = apart;
  }

  /** A leader's time, as it was sent: never to be behind it when this node leads. */
  heard(node: string, clockMs: number): void {
    const aheadMs = clockMs - this.#options.monotonicMs() - this.#offset;
    if (aheadMs <= 0) return;
    if (aheadMs <= limits.clockBelievedMs) this.#move(aheadMs);
    else if (!this.#apart) {
      this.#apart = true;
      this.#options.onTrouble(
        `the time of ${node} is ${Math.round(aheadMs)} ms ahead of this node's: more than ${limits.clockBelievedMs} ms is not followed; set one of the two clocks right`,
      );
    }
  }

  get #offset(): number {
    return this.#options.offset[0] ?? 0;
  }

  #move(byMs: number): void {
    // One thread writes: the others see the number before or after.
    this.#options.offset[0] = this.#offset + byMs;
  }
}
