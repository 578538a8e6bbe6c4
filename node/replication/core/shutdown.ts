/**
 * Leaving (SIGTERM). The leader stops serving first. Where this is the only copy and the policy is
 * `Reset`, it then writes what it knows for certain, that the data ends with it: the next generation,
 * free. Under `Hold` the Lease stays as it is, for a person to decide.
 */

import { startHandOver, successors } from './hand-over.ts';
import { nextGeneration } from './identity.ts';
import { stepDown } from './leadership.ts';
import { type Intent, type State, tell } from './state.ts';

export function beginShutdown(state: State): void {
  if (state.stopping) return;
  state.stopping = true;
  continueShutdown(state);
}

/** Leadership is handed over where somebody can take it; else it ends here. */
export function continueShutdown(state: State): void {
  const { leadership, handOverTried, tracker } = state;
  if (!state.stopping || leadership === undefined || leadership.handOver !== undefined) return;
  // A hand-over of unknown fate is awaited: it may have been won.
  if (handOverTried && tracker.hasUnresolved) return;
  const [to] = handOverTried ? [] : successors(state);
  state.handOverTried = true;
  if (to === undefined || !startHandOver(state, to)) stepDown(state, leadership, 'Shutdown');
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
  const lease = state.tracker.lastKnown;
  // Its leader was asked to remove this replica (`leave`); until the Lease says so, it counts.
  if (lease?.inSync.includes(state.options.self) && lease.inSync.length > 1) return;
  if (state.leadership !== undefined) return;
  state.stopped = true;
  const released =
    state.attempt?.cause === 'Shutdown' && lease?.generation === state.attempt.generation;
  if (released) tell(state, { kind: 'released', generation: lease.generation });
  tell(state, { kind: 'stopped' });
}
