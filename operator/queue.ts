/**
 * Keys to be worked on. A key is in the queue once, is worked on by one worker at a time, and comes
 * back if it was added meanwhile; after a failure it waits longer each time.
 */
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { QueueFullError } from './errors.ts';
import { limits } from './limits.ts';

export interface QueueOptions {
  readonly scheduler: Scheduler;
  /** 0 to 1. */
  readonly random: () => number;
}

interface Delayed {
  readonly dueMs: number;
  readonly cancel: () => void;
}

export class WorkQueue {
  readonly #scheduler: Scheduler;
  readonly #random: () => number;
  readonly #ready: string[] = [];
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor({ scheduler, random }: QueueOptions) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  /** Throws QueueFullError rather than forget one. */
  add(key: string): void {
    if (this.#closed || this.#waiting.has(key)) return;
    if (this.#active.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#waiting.size >= limits.queueKeysMax) throw new QueueFullError(key);
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      this.#active.add(key);
      taker(key);
    } else {
      this.#waiting.add(key);
      this.#ready.push(key);
    }
  }

  /** The sooner of this and what was asked for before counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    const dueMs = this.#scheduler.nowMs() + delayMs;
    const before = this.#delayed.get(key);
    if (before !== undefined && before.dueMs <= dueMs) return;
    before?.cancel();
    const cancel = this.#scheduler.after(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, cancel });
  }

  /**
   * After a failure: waits twice as long as the last time, give or take the jitter. `soon` starts from
   * less, for what is over in a moment. Returns the wait in milliseconds.
   */
  retry(key: string, how: 'backoff' | 'soon' = 'backoff'): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const full = backoffMs(failures, this.#random());
    const delayMs = how === 'soon' ? Math.round(full / limits.soonDivisor) : full;
    this.addAfter(key, delayMs);
    return delayMs;
  }

  /** After a success. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, which is then this caller's until `done`; undefined once the queue is closed. */
  take(): Promise<string | undefined> {
    const key = this.#ready.shift();
    if (key !== undefined) {
      this.#waiting.delete(key);
      this.#active.add(key);
      return Promise.resolve(key);
    }
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    this.#active.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  get length(): number {
    return this.#waiting.size;
  }

  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#ready.length = 0;
    this.#waiting.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }
}

/** `random` from 0 to 1 moves the wait by the jitter up or down. */
export function backoffMs(failures: number, random: number): number {
  const exponential = limits.backoffFirstMs * 2 ** Math.min(failures, 30);
  const bounded = Math.min(limits.backoffMaxMs, exponential);
  return Math.round(bounded * (1 + limits.backoffJitter * (2 * random - 1)));
}
