/**
 * Leaving (SIGTERM). The leader stops serving first. Where this is the only copy and the policy is
 * `Reset`, it then writes what it knows for certain, that the data ends with it: the next generation,
 * free. Under `Hold` the Lease stays as it is, for a person to decide.
 *
 * It tries until the grace period ends the process, but not where trying is in vain: a Lease that is gone
 * leaves nothing to release, and a node that is told again and again that it may not is shut out for good.
 * Both is so when the whole cluster is deleted: Leases and rights go while the pods still end. But a Lease that
 * somebody deleted by hand is made anew: unless all others leave, too, it waits for that a little.
 *
 * Whoever shuts down stays as long as others are to have a copy and it is in the set: a leader to hand over, a
 * follower to be removed; and if nobody removes it, for all others are gone, it leads once more to hand over.
 */

import { startHandOver, successors } from './hand-over.ts';
import { nextGeneration } from './identity.ts';
import type { Input } from './io.ts';
import { stepDown } from './leadership.ts';
import { limits } from './limits.ts';
import { type Intent, type State, tell } from './state.ts';
import { isAwaited, isSomebodyToCome, mayBeMember } from './staying.ts';

export function beginShutdown(state: State): void {
  if (state.stopping) return;
  state.stopping = true;
  // What went wrong before doesn't hold the release back; it has tries of its own.
  state.forbidden = 0;
  state.missing = 0;
  const { lastKnown: lease, confirmedBy, lost } = state.tracker;
  state.atShutdown = { lease, confirmedBy };
  // It may have been made anew, or it names this replica by now.
  if (lost !== undefined || mayBeMember(state)) state.recheckAtMs = state.nowMs;
  state.reads.succeeded();
  state.writes.succeeded();
  continueShutdown(state);
}

/** Leadership is handed over, again if need be, where somebody can take it or soon will; else it ends here. */
export function continueShutdown(state: State): void {
  const { leadership, handOverTried, tracker } = state;
  if (!state.stopping || leadership === undefined || leadership.handOver !== undefined) return;
  // A hand-over of unknown fate is awaited: it may have been won.
  if (handOverTried && tracker.hasUnresolved) return;
  const [to] = successors(state);
  if (to !== undefined && startHandOver(state, to)) {
    state.handOverTried = true;
  } else if (!isSomebodyToCome(state)) {
    stepDown(state, leadership, 'Shutdown');
  }
}

export function release(state: State): Intent | undefined {
  const lease = state.tracker.current;
  // While it leads, it hands over, or waits for somebody who can take it.
  if (lease === undefined || !state.stopping || state.leadership !== undefined) return undefined;
  // Or somebody is to come who can have the data.
  if (state.totalLoss === 'Hold' || isSomebodyToCome(state)) return undefined;
  const onlyCopy = lease.inSync.length === 1 && lease.inSync[0] === state.options.self;
  if (!onlyCopy) return undefined;
  const generation = nextGeneration(lease.generation);
  const { epoch } = lease;
  return {
    base: lease,
    edit: { cause: 'Shutdown', epoch, generation, leader: undefined, inSync: [] },
  };
}

/** Any other answer, even a failure, shows that the last word is not spoken. */
export function countForbidden(state: State, input: Input): void {
  switch (input.kind) {
    case 'refused':
      state.forbidden = input.reason === 'Forbidden' ? state.forbidden + 1 : 0;
      break;
    case 'read-failed':
      state.forbidden = input.forbidden ? state.forbidden + 1 : 0;
      break;
    case 'read':
    case 'store-reached':
    case 'won':
    case 'unresolved':
      state.forbidden = 0;
      break;
  }
}

/** A quorum read answered: how often in a row it found no Lease to go by. */
export function countMissing(state: State): void {
  state.missing = state.tracker.lost === undefined ? 0 : state.missing + 1;
}

/** Whether nothing can come of asking the store any more, whatever it would say. */
export function isIdle(state: State): boolean {
  const { tracker, options, stopping, forbidden, totalLoss } = state;
  if (!stopping) return false;
  if (forbidden >= limits.forbiddenMost) return true;
  // It hands over, or waits to learn whether it did.
  if (state.leadership !== undefined) return false;
  if (tracker.hasUnresolved) return false;
  const isMember = tracker.lastKnown?.inSync.includes(options.self) === true;
  return (totalLoss === 'Hold' || !isMember) && !isAwaited(state);
}

/** Nothing is left to be written: says so, once. */
export function finishShutdown(state: State): void {
  if (!state.stopping || state.stopped) return;
  const lease = state.tracker.lastKnown;
  if (state.forbidden < limits.forbiddenMost) {
    if (state.leadership !== undefined || isAwaited(state)) return;
  }
  if (state.leadership !== undefined) stepDown(state, state.leadership, 'Shutdown');
  state.stopped = true;
  if (state.stoppedTold) return;
  state.stoppedTold = true;
  const released =
    state.attempt?.cause === 'Shutdown' && lease?.generation === state.attempt.generation;
  if (released) tell(state, { kind: 'released', generation: lease.generation });
  tell(state, { kind: 'stopped' });
}
