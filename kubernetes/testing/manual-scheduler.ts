/** A Scheduler whose time passes only when a test says so. */
import type { Scheduler } from '../scheduler.ts';

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class ManualScheduler implements Scheduler {
  #nowMs = 0;
  #order = 0;
  #tasks: Task[] = [];
  #waiters: { readonly tasks: number; readonly resolve: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const task = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#tasks.push(task);
    this.#waiters = this.#waiters.filter(({ tasks, resolve }) => {
      if (this.#tasks.length < tasks) return true;
      resolve();
      return false;
    });
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== task);
    };
  }

  /** Tasks that wait for their time. */
  get waiting(): number {
    return this.#tasks.length;
  }

  /** Milliseconds until the next task, or undefined if none waits. */
  get nextInMs(): number | undefined {
    const next = this.#next(Number.POSITIVE_INFINITY);
    return next === undefined ? undefined : next.atMs - this.#nowMs;
  }

  /** Resolves as soon as `tasks` tasks wait: the code under test has come to its waiting point. */
  async untilWaiting(tasks = 1): Promise<void> {
    if (this.#tasks.length >= tasks) return;
    await new Promise<void>((resolve) => this.#waiters.push({ tasks, resolve }));
  }

  /** Lets time pass; runs what falls due in order, and what promises hang on it in between. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      const due = next;
      this.#tasks = this.#tasks.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Task | undefined {
    let first: Task | undefined;
    for (const task of this.#tasks) {
      if (task.atMs > untilMs) continue;
      if (first === undefined || task.atMs < first.atMs) first = task;
      else if (task.atMs === first.atMs && task.order < first.order) first = task;
    }
    return first;
  }
}

/** One turn of the event loop: all promises that can go on have gone on. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
