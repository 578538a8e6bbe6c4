/** The clocks of a thread. */
export interface Clock {
  /** Milliseconds since the Unix epoch, a whole number: in data threads the time by which keys expire. */
  nowMs(): number;
  /** Milliseconds of CLOCK_MONOTONIC: the same in every thread, with fractions. */
  monotonicMs(): number;
}

/** `performance.now()` counts from the start of its thread: the difference is taken once. */
export function systemClock(): Clock {
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now() + offset,
  };
}
