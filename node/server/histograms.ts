import { requestBuckets, serverLimits } from './limits.ts';

/** A histogram for each set of labels, kept as plain counts: cheap to fill before anyone scrapes. */
export interface HistogramRow {
  readonly labels: Readonly<Record<string, string>>;
  /** One count for each bound, and one for what is above all of them. */
  readonly counts: number[];
  sum: number;
}

/** `labelSetsMax` bounds the rows; observations of further label sets are counted nowhere. */
export class Histograms {
  readonly bounds: readonly number[];
  readonly #labelSetsMax: number;
  readonly #rows = new Map<string, HistogramRow>();

  constructor(bounds: readonly number[], labelSetsMax: number) {
    this.bounds = bounds;
    this.#labelSetsMax = labelSetsMax;
  }

  observe(labels: Readonly<Record<string, string>>, value: number): void {
    const key = JSON.stringify(labels);
    let row = this.#rows.get(key);
    if (row === undefined) {
      if (this.#rows.size >= this.#labelSetsMax) {
        return;
      }
      row = { labels, counts: new Array<number>(this.bounds.length + 1).fill(0), sum: 0 };
      this.#rows.set(key, row);
    }
    const found = this.bounds.findIndex((bound) => value <= bound);
    const index = found < 0 ? this.bounds.length : found;
    row.counts[index] = (row.counts[index] ?? 0) + 1;
    row.sum += value;
  }

  rows(): readonly HistogramRow[] {
    return [...this.#rows.values()];
  }
}

/** Of requests for Leases. */
export function requestHistograms(): Histograms {
  return new Histograms(requestBuckets, serverLimits.requestLabelSetsMax);
}
