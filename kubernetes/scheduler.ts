/**
 * Time as an argument. Whoever waits takes a Scheduler, so that tests and the simulation decide
 * when time passes; only `main.ts` of a process hands out the real one.
 */
export interface Scheduler {
  /** Milliseconds on a clock that never runs backwards; its start means nothing. */
  nowMs(): number;
  /** Runs `task` once, after at least `delayMs`; the function returned calls it off. */
  after(delayMs: number, task: () => void): () => void;
}

/** CLOCK_MONOTONIC and timers that do not keep the process alive. */
export const realScheduler: Scheduler = {
  nowMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
