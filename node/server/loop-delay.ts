import { monitorEventLoopDelay } from 'node:perf_hooks';
import { serverLimits } from './limits.ts';

export interface LoopDelay {
  readonly mean: number;
  readonly p99: number;
  readonly max: number;
}

/** Tells every few seconds how late this thread's timers ran, in seconds. */
export function watchLoopDelay(tell: (delay: LoopDelay) => void): Disposable {
  const { loopDelayResolutionMs, loopDelayWindowMs } = serverLimits;
  const histogram = monitorEventLoopDelay({ resolution: loopDelayResolutionMs });
  histogram.enable();
  // What it measures is the time between ticks; the time that they should take is no delay.
  const delay = (nanoseconds: number) =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - loopDelayResolutionMs / 1e3) : 0;
  const timer = setInterval(() => {
    if (histogram.count > 0) {
      tell({
        mean: delay(histogram.mean),
        p99: delay(histogram.percentile(99)),
        max: delay(histogram.max),
      });
    }
    histogram.reset();
  }, loopDelayWindowMs).unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
