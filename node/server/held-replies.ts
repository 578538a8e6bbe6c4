/** Replies of a connection that wait until what its commands wrote is committed. */
import type { Outcome } from '../replication/batches.ts';

const ok = Buffer.from('+OK\r\n');

/** What most writes are answered with: not to be copied for each. */
function isOk(bytes: Uint8Array, length: number): boolean {
  return length === ok.length && bytes[0] === ok[0] && bytes[1] === ok[1] && bytes[2] === ok[2];
}

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
    this.bytes.push(isOk(bytes, length) ? ok : Buffer.from(bytes.subarray(0, length)));
  }

  /** What became of one batch; true: it was the last that they waited for. */
  resolved(outcome: Outcome): boolean {
    this.#batches--;
    this.#lost ||= outcome !== 'committed';
    return this.#batches === 0;
  }
}
