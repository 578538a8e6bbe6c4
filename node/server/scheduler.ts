import { realScheduler, type Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { Clock } from './clock.ts';

/** Real timers, on the clock that the thread's control blocks are on. */
export function schedulerOn(clock: Clock): Scheduler {
  return {
    nowMs: () => clock.monotonicMs(),
    after: (delayMs, task) => {
      if (delayMs > 0) return realScheduler.after(delayMs, task);
      // A timer of no delay waits a millisecond; the end of this turn of the event loop is meant.
      const immediate = setImmediate(task);
      return () => clearImmediate(immediate);
    },
  };
}
