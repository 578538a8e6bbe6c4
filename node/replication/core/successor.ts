/** Where those are to go who come to a replica that does not lead, and whether they may go there yet. */

import { type Incarnation, nodeOf } from './identity.ts';
import type { State } from './state.ts';

/**
 * Which other node leads, by the newest of what the Lease and the leaders themselves have told; undefined: none, or
 * unknown. An earlier incarnation of this node is gone.
 */
export function otherLeader({ following, tracker, options }: State): Incarnation | undefined {
  const lease = tracker.lastKnown;
  const isNewer = following !== undefined && following.epoch >= (lease?.epoch ?? 0);
  const leader = isNewer ? following.leader : lease?.leader;
  return leader === undefined || nodeOf(leader) === nodeOf(options.self) ? undefined : leader;
}

/**
 * A leader that has left lets nobody go before it is known where to. To whom it handed over itself may not know of it
 * yet, and would send clients back: there they go once it has spoken as the leader, to this replica or in the Lease.
 */
export function isSuccessorAwaited(state: State): boolean {
  const { tracker, following, successorAwaited, leftEpoch = 0 } = state;
  if (successorAwaited === undefined || state.nowMs >= successorAwaited.untilMs) return false;
  if (following !== undefined && following.epoch > leftEpoch) return false;
  const lease = tracker.lastKnown;
  if (lease === undefined || lease.epoch <= leftEpoch) return true;
  return lease.version === successorAwaited.version;
}
