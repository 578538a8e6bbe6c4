/** One operation on its way: its deadline, its retries, its promise. */
import { RdbError } from './errors.ts';
import type { Operation, OutcomeCase } from './operations.ts';

export interface JobTime {
  /** Milliseconds for all attempts together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export class Job {
  readonly operation: Operation;
  readonly shard: number;
  /** On the clock of performance.now(). */
  readonly deadlineMs: number;
  readonly done: Promise<OutcomeCase>;
  redirects = 0;
  attempts = 0;
  /** Why the last attempt failed. */
  lastError: RdbError | undefined;
  /** Whether a node may be executing it now. */
  sent = false;
  settled = false;

  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #onSettled: (job: Job) => void;
  #resolve: (outcome: OutcomeCase) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(operation: Operation, shard: number, time: JobTime, onSettled: (job: Job) => void) {
    this.operation = operation;
    this.shard = shard;
    this.deadlineMs = performance.now() + time.timeoutMs;
    this.#timeoutMs = time.timeoutMs;
    this.#onSettled = onSettled;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => this.expire(), time.timeoutMs);
    this.#signal = time.signal;
    this.#onAbort = () => this.fail(time.signal?.reason);
    time.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  leftMs(): number {
    return this.deadlineMs - performance.now();
  }

  succeed(outcome: OutcomeCase): void {
    if (this.#settle()) this.#resolve(outcome);
  }

  fail(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  /** Its time is over. What was never sent, or certainly not done, fails with what kept it; the rest with DEADLINE_EXCEEDED. */
  expire(): void {
    const last = this.lastError;
    if (!this.sent && last !== undefined) {
      this.fail(last);
      return;
    }
    const tries = this.attempts === 1 ? 'one try' : `${this.attempts} tries`;
    const message = `no answer within ${this.#timeoutMs} ms (${tries})${last ? `; before: ${last.message}` : ''}`;
    const { reads } = this.operation;
    this.fail(new RdbError('DEADLINE_EXCEEDED', message, { reads, cause: last }));
  }

  #settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#onSettled(this);
    return true;
  }
}
