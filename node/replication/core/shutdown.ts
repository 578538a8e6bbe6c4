/**
 * Leaving (SIGTERM). The leader stops serving first. Where this is the only copy and the policy is
 * `Reset`, it then writes what it knows for certain, that the data ends with it: the next generation,
 * free. Under `Hold` the Lease stays as it is, for a person to decide.
 */

import { nextGeneration } from './identity.ts';
import { stepDown } from './leadership.ts';
import { type Intent, type State, tell } from './state.ts';

export function beginShutdown(state: State): void {
  if (state.stopping) return;
  state.stopping = true;
  if (state.leadership !== undefined) stepDown(state, state.leadership, 'Shutdown');
}

export function release(state: State): Intent | undefined {
  const lease = state.tracker.current;
  if (lease === undefined || !state.stopping || state.options.totalLoss === 'Hold')
    return undefined;
  const onlyCopy = lease.inSync.length === 1 && lease.inSync[0] === state.options.self;
  if (!onlyCopy) return undefined;
  const generation = nextGeneration(lease.generation);
  const { epoch } = lease;
  return {
    base: lease,
    edit: { cause: 'Shutdown', epoch, generation, leader: undefined, inSync: [] },
  };
}

/** Nothing is left to be written: says so, once. */
export function finishShutdown(state: State): void {
  if (!state.stopping || state.stopped) return;
  state.stopped = true;
  const lease = state.tracker.lastKnown;
  const released =
    state.attempt?.cause === 'Shutdown' && lease?.generation === state.attempt.generation;
  if (released) tell(state, { kind: 'released', generation: lease.generation });
  tell(state, { kind: 'stopped' });
}
