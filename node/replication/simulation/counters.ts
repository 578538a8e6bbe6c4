/**
 * Whether the history of one counter is right: every increment happened at most once, in an order that agrees with time.
 *
 * An increment of which nobody knows the outcome may have happened, at any time after its start.
 */

export interface CounterOperation {
  readonly kind: 'read' | 'increment';
  /** The counter's value in the answer. */
  value: number;
  readonly startMs: number;
  /** Infinity: no answer came. */
  endMs: number;
}

/** Undefined if it is right; else what is wrong. */
export function counterFault(history: readonly CounterOperation[]): string | undefined {
  const answered = history
    .filter(({ endMs }) => endMs < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.startMs - b.startMs);
  const values = new Set<number>();
  for (const { kind, value } of answered) {
    if (kind === 'read') continue;
    if (values.has(value)) return `two increments made it ${value}`;
    values.add(value);
  }
  const highest = Math.max(0, ...answered.map(({ value }) => value));
  const unknown = history.filter(({ endMs }) => endMs === Number.POSITIVE_INFINITY).length;
  if (highest - values.size > unknown) {
    return `it came to ${highest} by ${values.size} increments and ${unknown} of unknown outcome`;
  }
  return orderFault(answered);
}

/** What ended before another started has a lower value than an increment, no higher one than a read. */
function orderFault(byStart: readonly CounterOperation[]): string | undefined {
  const byEnd = [...byStart].sort((a, b) => a.endMs - b.endMs);
  let before = 0;
  let ended = 0;
  for (const { kind, value, startMs } of byStart) {
    for (let one = byEnd[ended]; one !== undefined && one.endMs < startMs; one = byEnd[++ended]) {
      before = Math.max(before, one.value);
    }
    if (value < before || (kind === 'increment' && value === before)) {
      return `a later ${kind} saw ${value} after ${before}`;
    }
  }
  return undefined;
}
