/**
 * Lets so many requests out at a time; the others wait in the order in which they came.
 *
 * It begins with few: each that is out has a connection of its own, and at rest there are one or two. The shards of a
 * node that died all come at once: a connection for each, TLS included, costs both sides more than the requests. So the
 * next ones take the connection of those that are answered, and with each answer one more may be out. Where no answer comes it
 * opens by itself, step by step: the first may have gone to a connection that is dead.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';

export interface RequestGateOptions {
  /** Out at a time at first, and when all were answered. */
  readonly first: number;
  /** Out at a time at most. */
  readonly most: number;
  /** Milliseconds without an answer after which twice as many may be out. */
  readonly stepMs: number;
  readonly scheduler: Pick<Scheduler, 'after'>;
}

export class RequestGate {
  readonly #options: RequestGateOptions;
  readonly #waiting: (() => void)[] = [];
  #out = 0;
  #limit: number;
  #cancelStep: (() => void) | undefined;

  constructor(options: RequestGateOptions) {
    this.#options = options;
    this.#limit = options.first;
  }

  async run<T>(request: () => Promise<T>): Promise<T> {
    if (this.#out < this.#limit) this.#out++;
    else await this.#wait();
    try {
      return await request();
    } finally {
      this.#answered();
    }
  }

  #wait(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#armStep();
    return promise;
  }

  #answered(): void {
    this.#out--;
    this.#cancelStep?.();
    this.#cancelStep = undefined;
    this.#open(this.#limit + 1);
    if (this.#out === 0) this.#limit = this.#options.first;
  }

  /** Places are handed on at once, so that none who comes meanwhile takes them. */
  #open(limit: number): void {
    this.#limit = Math.min(limit, this.#options.most);
    while (this.#out < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#out++;
      next();
    }
    this.#armStep();
  }

  #armStep(): void {
    const { most, scheduler, stepMs } = this.#options;
    if (this.#waiting.length === 0 || this.#limit >= most) return;
    this.#cancelStep ??= scheduler.after(stepMs, () => {
      this.#cancelStep = undefined;
      this.#open(this.#limit * 2);
    });
  }
}
