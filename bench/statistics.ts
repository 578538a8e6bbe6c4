/** What becomes of several rounds: medians, spreads, ratios of neighbours. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle of the values; of an even number of values the mean of the two in the middle. Throws without any. */
export function median(values: readonly number[]): number {
  const sorted = sortedNumbers(values);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function spread(values: readonly number[]): Spread {
  const sorted = sortedNumbers(values);
  return { median: median(values), min: sorted[0] ?? 0, max: sorted[sorted.length - 1] ?? 0 };
}

/**
 * Ratios of rounds that ran one after the other. What slows the whole machine for a while slows both
 * of a pair, so the median of these ratios is steadier than the ratio of two medians.
 */
export function ratios(values: readonly number[], bases: readonly number[]): Spread {
  if (values.length !== bases.length) {
    throw new RangeError(`${values.length} rounds cannot be paired with ${bases.length}`);
  }
  return spread(values.map((value, round) => value / (bases[round] ?? Number.NaN)));
}

/** The value that `share` (0..1) of all values don't exceed. Throws without any. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = sortedNumbers(values);
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(sorted.length * share)));
  return sorted[rank - 1] ?? Number.NaN;
}

function sortedNumbers(values: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError('no values');
  if (values.some((value) => !Number.isFinite(value))) {
    throw new RangeError(`not all of these are numbers: ${values.join(', ')}`);
  }
  return [...values].sort((a, b) => a - b);
}
