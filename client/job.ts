/** One operation on its way: its deadline, its attempts, its promise. */
import { RdbError } from './errors.ts';
import { ATTEMPT_BYTES_PER_MS, ATTEMPT_MS_MIN } from './limits.ts';
import type { Operation, OutcomeCase } from './operations.ts';
import type { WriteId } from './sessions.ts';

export interface JobTime {
  /** Milliseconds for all attempts together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Where an attempt goes. */
export interface Target {
  /** `host:port`. */
  readonly address: string;
  /** Whether it was chosen as the leader of the shard; then a newer leader ends the attempt. */
  readonly asLeader: boolean;
}

/** One way of a job to a node. Only the newest of a job may fail it; any may bring its answer. */
export interface Attempt {
  readonly job: Job;
  readonly number: number;
}

export class Job {
  readonly operation: Operation;
  readonly shard: number;
  /** On the clock of performance.now(). */
  readonly deadlineMs: number;
  readonly done: Promise<OutcomeCase>;
  redirects = 0;
  attempts = 0;
  /** Attempts that found no answer in their time. */
  timeouts = 0;
  sessionsEnded = 0;
  /** Where the newest attempt goes. */
  target: Target | undefined;
  /** Why the last attempt failed. */
  lastError: RdbError | undefined;
  /** The name of a write, given when it is first sent; reads, and writes to nodes that remember no answers, have none. */
  id: WriteId | undefined;
  /** Attempts that were sent, and of which no node has said that nothing was done. */
  doubts = 0;
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

  /** The next attempt; those before it count as lost. */
  attempt(target: Target | undefined): Attempt {
    this.target = target;
    return { job: this, number: ++this.attempts };
  }

  isCurrent({ number }: Attempt): boolean {
    return !this.settled && number === this.attempts;
  }

  /** Whether sending it again can't do harm, whatever came of the attempts before. */
  get repeatable(): boolean {
    return this.operation.reads || this.id !== undefined || this.doubts === 0;
  }

  /** Gives up the name of a write that certainly did not happen: it gets another one when it is sent again. */
  forgetId(): void {
    this.id?.session.answered(this.id.number);
    this.id = undefined;
  }

  leftMs(): number {
    return this.deadlineMs - performance.now();
  }

  /** How long the present attempt may take. */
  attemptMs(): number {
    if (!this.operation.reads && this.id === undefined) return this.leftMs();
    const doubled = ATTEMPT_MS_MIN * 2 ** Math.min(this.timeouts, 20);
    return Math.min(this.leftMs(), doubled + this.operation.bytes / ATTEMPT_BYTES_PER_MS);
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
    if (this.doubts === 0 && last !== undefined) {
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
    this.id?.session.answered(this.id.number);
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#onSettled(this);
    return true;
  }
}
