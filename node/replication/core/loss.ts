/**
 * Total loss (rules 14, 15): every member of the in-sync set is certainly gone.
 *
 * This incarnation can vouch only for earlier starts of its own pod. It never claims their data: under
 * `Reset` it starts the next generation, empty; under `Hold` it says so and leaves the shard to a
 * person. Whoever else may be gone is the operator's to judge.
 */

import { nextEpoch, nextGeneration } from './identity.ts';
import type { CurrentLease } from './lease.ts';
import { type Intent, rank, type State, tell } from './state.ts';

export function startNextGeneration(state: State): Intent | undefined {
  const lease = state.tracker.current;
  if (lease === undefined || state.stopping || !isLost(state, lease)) return undefined;
  if (state.totalLoss === 'Hold') {
    if (state.lossTold !== lease.generation) {
      state.lossTold = lease.generation;
      tell(state, { kind: 'total-loss', generation: lease.generation, action: 'held' });
    }
    return undefined;
  }
  const { self } = state.options;
  const generation = nextGeneration(lease.generation);
  // Where another node is preferred, only the finding is written: the free Lease is that node's.
  if (rank(state, lease) !== 0) {
    const { epoch } = lease;
    return {
      base: lease,
      edit: { cause: 'TotalLoss', epoch, generation, leader: undefined, inSync: [] },
    };
  }
  const epoch = nextEpoch(lease.epoch);
  return {
    base: lease,
    edit: { cause: 'Restart', epoch, generation, leader: self, inSync: [self] },
    data: generation,
  };
}

export function isLost(state: State, lease: CurrentLease): boolean {
  return lease.inSync.length > 0 && lease.inSync.every((member) => state.options.gone.has(member));
}
