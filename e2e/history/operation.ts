/**
 * A history: every operation that clients tried, with what they learned of it. One JSON object a line,
 * read by our checker and by the judge (`e2e/linearizability`).
 */

export type Kind = 'read' | 'write' | 'increment' | 'compare-and-set';

/**
 * `failed`: certainly without effect. `unknown`: nobody knows whether it took effect, or when; such a
 * write stays open to the end of the history.
 */
export type Outcome = 'ok' | 'failed' | 'unknown';

export interface Operation {
  /** A process does one thing at a time; after an unknown outcome another one goes on. */
  readonly process: string;
  readonly shard: number;
  readonly key: string;
  readonly kind: Kind;
  /** What is written; every write of a history has a value of its own. Increments are by one. */
  readonly value?: string;
  /** What a compare-and-set expects. */
  readonly expected?: string;
  /** CLOCK_MONOTONIC, decimal: beyond what a double holds. All processes of a machine share it. */
  readonly startNs: string;
  readonly endNs: string;
  readonly outcome: Outcome;
  /** Of a read: the value, null if absent. Of an increment: the sum. Of a compare-and-set: whether it applied. */
  readonly result?: string | boolean | null;
  /** First word of an error, for the counts. */
  readonly error?: string;
  /** Read after everything else. */
  readonly final?: true;
}

export type Answer =
  | { readonly outcome: 'ok'; readonly result?: string | boolean | null }
  | { readonly outcome: 'failed' | 'unknown'; readonly error: string };

/** The lines of a history. */
export function toLines(history: readonly Operation[]): string {
  return history.map((operation) => `${JSON.stringify(operation)}\n`).join('');
}

export function fromLines(text: string): readonly Operation[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Operation);
}

export function nowNs(): bigint {
  return process.hrtime.bigint();
}

/** Milliseconds between two times of a history. */
export function msBetween(fromNs: string | bigint, toNs: string | bigint): number {
  return Number(BigInt(toNs) - BigInt(fromNs)) / 1e6;
}
