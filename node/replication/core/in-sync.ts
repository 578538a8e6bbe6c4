/**
 * The in-sync set while compare-and-sets are under way (rules 3, 5).
 *
 * The set that the store holds is one of several: the confirmed one, or what any edit of unknown fate
 * would leave. `maximal` is their union: whoever may be in the set must hold a write before it counts, and
 * must have promised before it is read. `minimal` is what they share: who is in the set for certain.
 */

import type { Incarnation } from './identity.ts';
import type { Intent, State } from './state.ts';

export interface InSyncSets {
  readonly maximal: ReadonlySet<Incarnation>;
  readonly minimal: ReadonlySet<Incarnation>;
}

/** Of the last Lease that was good: while it is lost the sets are frozen. */
export function inSyncSets({ tracker }: Pick<State, 'tracker'>): InSyncSets {
  const confirmed = tracker.lastKnown?.inSync ?? [];
  return setsOf(confirmed, tracker.possibleEdits);
}

export function setsOf(
  confirmed: readonly Incarnation[],
  edits: readonly { readonly inSync: readonly Incarnation[] }[],
): InSyncSets {
  const maximal = new Set(confirmed);
  let minimal = new Set(confirmed);
  for (const { inSync } of edits) {
    for (const member of inSync) maximal.add(member);
    minimal = minimal.intersection(new Set(inSync));
  }
  return { maximal, minimal };
}

/**
 * Members that hold nothing of this leadership are removed; that is always safe. Without replication
 * that is every other one: only an edit by hand can have put it there. It counts until the removal is resolved.
 */
export function shrink(state: State): Intent | undefined {
  const lease = state.tracker.current;
  const { leadership, options } = state;
  if (lease === undefined || leadership === undefined) return undefined;
  if (lease.epoch !== leadership.epoch || lease.inSync.length < 2) return undefined;
  const { epoch, generation, leader } = lease;
  return {
    base: lease,
    edit: { cause: 'Shrink', epoch, generation, leader, inSync: [options.self] },
  };
}
