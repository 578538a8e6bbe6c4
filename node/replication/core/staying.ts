/** Whether a node that shuts down is still needed: its copy may be the only one, it counts for commits, or clients wait. */

import { nodeOf } from './identity.ts';
import { limits } from './limits.ts';
import { hasEnded } from './membership.ts';
import type { State } from './state.ts';
import { isSuccessorAwaited } from './successor.ts';

/**
 * Others are to have a copy, and don't leave themselves: they will be able to lead, the one that is away now among
 * them. Until then this one stays, as long as it may: with it the only copy would end.
 */
export function isSomebodyToCome(state: State): boolean {
  const { tracker, options, peers, leaving } = state;
  // Its cluster was deleted, as it seems.
  if (state.missing >= limits.missingMost && !tracker.readWanted) return false;
  return (tracker.lastKnown?.assignment ?? []).some((node) => {
    if (node === nodeOf(options.self)) return false;
    const one = peers.get(node)?.incarnation;
    return one === undefined || !leaving.has(one);
  });
}

/**
 * It holds all, so its leader may have put it into the set just before it died, and nobody has told: one look at the
 * Lease since the shutdown began, by whatever way, tells.
 */
export const mayBeMember = ({ data, complete, tracker, options, atShutdown }: State): boolean =>
  data.kind === 'present' &&
  data.used &&
  complete &&
  tracker.lastKnown !== undefined &&
  !tracker.lastKnown.inSync.includes(options.self) &&
  atShutdown?.lease === tracker.lastKnown &&
  atShutdown.confirmedBy === tracker.confirmedBy &&
  tracker.lost === undefined;

/** Whether this replica may not go yet: it is in the set, and of the others not all leave. */
export function isAwaited(state: State): boolean {
  // Who comes here is to be told where to go.
  if (isSuccessorAwaited(state)) return true;
  const { tracker, options, leaving } = state;
  const { self } = options;
  if (tracker.lastKnown?.inSync.includes(self) !== true) return mayBeMember(state);
  // Its leader was asked to remove it (`leave`); until the Lease says so, it counts.
  const others = (tracker.current?.inSync ?? []).filter(
    (one) => one !== self && !leaving.has(one) && !hasEnded(state, one),
  );
  return others.length > 0 || isSomebodyToCome(state);
}
