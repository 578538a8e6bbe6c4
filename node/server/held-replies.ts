/** Replies of a connection that wait until what its commands wrote is committed. */
import type { Outcome } from '../replication/batches.ts';

export class HeldReplies {
  /** When the first of their commands came, monotonic milliseconds. */
  readonly arrivedMs: number;
  /** Commands that have their replies then. */
  commands = 0;
  /** The connection ends behind them. */
  last = false;
  readonly bytes: Buffer[] = [];
  #batches = 0;
  #lost = false;

  constructor(arrivedMs: number) {
    this.arrivedMs = arrivedMs;
  }

  /** Of one batch at least nobody knows what will become. */
  get lost(): boolean {
    return this.#lost;
  }

  /** They wait for so many batches more. */
  waitFor(batches: number): void {
    this.#batches += batches;
  }

  append(bytes: Uint8Array, length: number): void {
    this.bytes.push(Buffer.from(bytes.subarray(0, length)));
  }

  /** What became of one batch; true: it was the last that they waited for. */
  resolved(outcome: Outcome): boolean {
    this.#batches--;
    this.#lost ||= outcome !== 'committed';
    return this.#batches === 0;
  }
}
