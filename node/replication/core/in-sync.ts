/**
 * The in-sync set while compare-and-sets are under way (rules 3, 5).
 *
 * The set that the store holds is one of several: the confirmed one, or what any edit of unknown fate
 * would leave. `maximal` is their union: whoever may be in the set must hold a write before it counts, and
 * must have promised before it is read. `minimal` is what they share: who is in the set for certain.
 */

import type { Incarnation } from './identity.ts';
import type { BreakableRule } from './rules.ts';
import { type InSyncSets, isBroken, minInSync, type State } from './state.ts';

/** Of the last Lease that was good: while it is lost the sets are frozen. */
export function inSyncSets(state: State): InSyncSets {
  const { tracker, options } = state;
  const { changes } = tracker;
  if (state.sets.changes !== changes) {
    const edits = tracker.possibleEdits;
    const isAnothers = edits.some(({ leader }) => leader !== options.self);
    const sets = setsOf(tracker.lastKnown?.inSync ?? [], edits);
    state.sets = { ...sets, isAnothers, changes };
  }
  return state.sets;
}

export function setsOf(
  confirmed: readonly Incarnation[],
  edits: readonly { readonly inSync: readonly Incarnation[] }[],
): Pick<InSyncSets, 'maximal' | 'minimal'> {
  const maximal = new Set(confirmed);
  let minimal = new Set(confirmed);
  for (const { inSync } of edits) {
    for (const member of inSync) maximal.add(member);
    minimal = minimal.intersection(new Set(inSync));
  }
  return { maximal, minimal };
}

/** Who must have acknowledged a batch before it commits (rule 4): `maximal`. */
export const commitSet = (state: State): ReadonlySet<Incarnation> =>
  without(state, commitRules.early, commitRules.late);

/** Whose promises a read needs (rule 9): `maximal`. */
export const promiseSet = (state: State): ReadonlySet<Incarnation> =>
  without(state, promiseRules.early, promiseRules.late);

const commitRules = {
  early: ['shrink-early', 'shrink-early-commit'],
  late: ['grow-late', 'grow-late-commit'],
} as const satisfies Record<string, readonly BreakableRule[]>;
const promiseRules = {
  early: ['shrink-early', 'shrink-early-promise'],
  late: ['grow-late', 'grow-late-promise'],
} as const satisfies Record<string, readonly BreakableRule[]>;

/** Whether enough copies are in sync for certain (rule 4). */
export function enoughInSync(state: State): boolean {
  const { maximal, minimal } = inSyncSets(state);
  let count = minimal.size;
  if (isBroken(state, 'minimum-of-maximal')) count = maximal.size;
  if (isBroken(state, 'minimum-of-confirmed')) count = state.tracker.lastKnown?.inSync.length ?? 0;
  return count >= minInSync(state);
}

/** `maximal`; for the simulation alone: with unresolved changes counted too early or too late. */
function without(
  state: State,
  early: readonly BreakableRule[],
  late: readonly BreakableRule[],
): ReadonlySet<Incarnation> {
  const { maximal, minimal } = inSyncSets(state);
  if (state.options.replication.broken === undefined) return maximal;
  const confirmed = new Set(state.tracker.lastKnown?.inSync ?? []);
  if (early.some((rule) => isBroken(state, rule))) {
    return new Set([...maximal].filter((one) => minimal.has(one) || !confirmed.has(one)));
  }
  return late.some((rule) => isBroken(state, rule)) ? confirmed : maximal;
}
