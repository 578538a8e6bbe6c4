import { realScheduler, type Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { Clock } from './clock.ts';

/** Real timers, on the clock that the thread's control blocks are on. */
export function schedulerOn(clock: Clock): Scheduler {
  return { nowMs: () => clock.monotonicMs(), after: realScheduler.after };
}
