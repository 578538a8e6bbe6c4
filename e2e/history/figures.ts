/** What a history says of availability and of loss. */
import { msBetween, type Operation } from './operation.ts';

export type Access = 'reads' | 'writes';

export interface Quantiles {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** A fault's place in time: from when it was made until it counts no more. */
export interface Window {
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

const isWrite = ({ kind }: Operation): boolean => kind !== 'read';

/** When the successful operations of a shard ended, in order. */
export function successEnds(
  history: readonly Operation[],
  { shard, access }: { shard: number; access: Access },
): readonly bigint[] {
  return history
    .filter((one) => one.shard === shard && one.outcome === 'ok' && one.final === undefined)
    .filter((one) => isWrite(one) === (access === 'writes'))
    .map(({ endNs }) => BigInt(endNs))
    .sort((a, b) => (a < b ? -1 : 1));
}

/**
 * The longest time without a success that touches the window: between the ends of two that follow each other, or
 * to the end of the window if none came any more.
 */
export function unavailableMs(ends: readonly bigint[], { fromNs, toNs }: Window): number {
  let last = fromNs;
  let longestMs = 0;
  for (const endNs of ends) {
    if (endNs > fromNs) longestMs = Math.max(longestMs, msBetween(last, endNs));
    last = endNs;
    if (endNs > toNs) return longestMs;
  }
  return last < toNs ? Math.max(longestMs, msBetween(last, toNs)) : longestMs;
}

/** From a moment to the first success after it; undefined if none came. */
export function resumedMs(ends: readonly bigint[], fromNs: bigint): number | undefined {
  const first = ends.find((endNs) => endNs > fromNs);
  return first === undefined ? undefined : msBetween(fromNs, first);
}

/** By nearest rank; of no samples, all are 0. */
export function quantiles(samplesMs: readonly number[]): Quantiles {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { samples: sorted.length, p50Ms: rank(0.5), p99Ms: rank(0.99), maxMs: rank(1) };
}

/** How many operations of each kind ended how: `write failed CLUSTERDOWN` -> 3. Successes by kind alone. */
export function counts(history: readonly Operation[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { kind, outcome, error } of history) {
    const name = outcome === 'ok' ? kind : `${kind} ${outcome} ${error ?? ''}`.trim();
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  return found;
}

/**
 * Acknowledged writes that the final reads prove lost: of a register, those begun after the write of the value
 * that is there had ended; of a counter, what is missing from the sum.
 */
export function lostWrites(history: readonly Operation[]): number {
  const byKey = Map.groupBy(history, ({ key }) => key);
  let lost = 0;
  for (const operations of byKey.values()) {
    const last = operations.findLast(({ final, outcome }) => final && outcome === 'ok');
    if (last === undefined) continue;
    const value = typeof last.result === 'string' ? last.result : null;
    const counted = operations.some(({ kind }) => kind === 'increment');
    lost += counted ? lostIncrements(operations, value) : lostValues(operations, value);
  }
  return lost;
}

function lostIncrements(operations: readonly Operation[], sum: string | null): number {
  const acknowledged = operations.filter(
    ({ kind, outcome }) => kind === 'increment' && outcome === 'ok',
  );
  return Math.max(0, acknowledged.length - Number(sum ?? 0));
}

function lostValues(operations: readonly Operation[], value: string | null): number {
  const writes = operations.filter(
    (one) => isWrite(one) && one.outcome !== 'failed' && one.result !== false,
  );
  const survivor = writes.find((one) => one.value === value);
  if (value !== null && survivor?.outcome !== 'ok') return 0; // its time of effect is unknown
  const survivorEndNs = BigInt(survivor?.endNs ?? 0);
  return writes.filter(
    ({ outcome, startNs }) => outcome === 'ok' && BigInt(startNs) > survivorEndNs,
  ).length;
}
