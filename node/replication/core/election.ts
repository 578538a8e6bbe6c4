/** Who takes a Lease that nobody holds: rule 10, and the free Lease of an empty generation. */

import { nextEpoch } from './identity.ts';
import { isFree } from './lease.ts';
import { type Intent, rank, type State } from './state.ts';

/**
 * A free Lease goes to the first of the assignment, with the set = itself. No quorum read comes first:
 * there is no data to lose and no promise to keep, and the compare-and-set fails on a stale version.
 */
export function takeFreeLease(state: State): Intent | undefined {
  const lease = state.tracker.current;
  if (lease === undefined || state.stopping || !isFree(lease)) return undefined;
  if (rank(state, lease) !== 0) return undefined;
  const { self } = state.options;
  const { generation } = lease;
  const epoch = nextEpoch(lease.epoch);
  return {
    base: lease,
    edit: { cause: 'Free', epoch, generation, leader: self, inSync: [self] },
    data: generation,
  };
}

/**
 * A member of the in-sync set takes over when it owes nobody a promise: here, when the Lease names no
 * leader, or this incarnation in an epoch that it has left. The set loses the old leader.
 */
export function campaign(state: State): Intent | undefined {
  const lease = state.tracker.current;
  const { self } = state.options;
  const may =
    lease !== undefined &&
    !state.stopping &&
    state.leadership === undefined &&
    lease.inSync.includes(self) &&
    state.data.kind === 'present' &&
    state.data.generation === lease.generation &&
    (lease.leader === undefined || lease.leader === self);
  if (!may) {
    state.campaignSince = undefined;
    return undefined;
  }
  state.campaignSince ??= state.tracker.lastRequest;
  const { generation, leader } = lease;
  const inSync = lease.inSync.filter((member) => member === self || member !== leader);
  const epoch = nextEpoch(lease.epoch);
  return {
    base: lease,
    edit: { cause: 'Campaign', epoch, generation, leader: self, inSync },
    data: generation,
    confirmedAfter: state.campaignSince,
  };
}
