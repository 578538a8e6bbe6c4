/** How long to wait before trying again: doubles, with jitter, so that many clients don't come back at once. */

export interface BackoffRange {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Wait before try number `attempt` + 1 (attempts count from 1): half of the doubled time and a random half. */
export function backoffMs(attempt: number, range: BackoffRange, random: () => number): number {
  const full = Math.min(range.maxMs, range.minMs * 2 ** Math.min(attempt - 1, 30));
  return full / 2 + (full / 2) * random();
}

/** Resolves after `ms`, at once when `signal` aborts. */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    const timer = setTimeout(settle, ms);
    signal.addEventListener('abort', settle, { once: true });
  });
}
