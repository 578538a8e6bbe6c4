/**
 * Leaving (SIGTERM). The leader stops serving first. Where this is the only copy and the policy is
 * `Reset`, it then writes what it knows for certain, that the data ends with it: the next generation,
 * free. Under `Hold` the Lease stays as it is, for a person to decide.
 *
 * It tries until the grace period ends the process, but not where trying is in vain: a Lease that is gone
 * leaves nothing to release, and a node that is told again and again that it may not is shut out for good.
 * Both is so when the whole cluster is deleted: Leases and rights go while the pods still end.
 */

import { startHandOver, successors } from './hand-over.ts';
import { nextGeneration, nodeOf } from './identity.ts';
import type { Input } from './io.ts';
import { stepDown } from './leadership.ts';
import { limits } from './limits.ts';
import { type Intent, type State, tell } from './state.ts';

export function beginShutdown(state: State): void {
  if (state.stopping) return;
  state.stopping = true;
  // What went wrong before doesn't hold the release back; it has tries of its own.
  state.forbidden = 0;
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

/**
 * Others are to have a copy, and don't leave themselves: they will be able to lead, the one that is away now among
 * them. Until then this one stays, as long as it may: with it the only copy would end.
 */
function isSomebodyToCome(state: State): boolean {
  return (state.tracker.current?.assignment ?? []).some((node) => {
    if (node === nodeOf(state.options.self)) return false;
    const one = state.peers.get(node)?.incarnation;
    return one === undefined || !state.leaving.has(one);
  });
}

export function release(state: State): Intent | undefined {
  const lease = state.tracker.current;
  // While it leads, it hands over, or waits for somebody who can take it.
  if (lease === undefined || !state.stopping || state.leadership !== undefined) return undefined;
  if (state.totalLoss === 'Hold') return undefined;
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
    case 'won':
    case 'unresolved':
      state.forbidden = 0;
      break;
  }
}

/** Whether nothing can come of asking the store any more, whatever it would say. */
export function isIdle(state: State): boolean {
  const { tracker, options, stopping, forbidden, totalLoss } = state;
  if (!stopping) return false;
  if (forbidden >= limits.forbiddenMost) return true;
  // It hands over, or waits to learn whether it did.
  if (state.leadership !== undefined) return false;
  if (tracker.hasUnresolved) return false;
  return totalLoss === 'Hold' || tracker.lastKnown?.inSync.includes(options.self) !== true;
}

/** Nothing is left to be written: says so, once. */
export function finishShutdown(state: State): void {
  if (!state.stopping || state.stopped) return;
  const lease = state.tracker.lastKnown;
  if (state.forbidden < limits.forbiddenMost) {
    // Its leader was asked to remove this replica (`leave`); until the Lease says so, it counts.
    const { current } = state.tracker;
    // Where all others leave, too, nobody is left who could say so.
    const { options, leaving } = state;
    const others = current?.inSync.filter((one) => one !== options.self && !leaving.has(one)) ?? [];
    if (current?.inSync.includes(options.self) && others.length > 0) return;
    if (state.leadership !== undefined) return;
  }
  if (state.leadership !== undefined) stepDown(state, state.leadership, 'Shutdown');
  state.stopped = true;
  const released =
    state.attempt?.cause === 'Shutdown' && lease?.generation === state.attempt.generation;
  if (released) tell(state, { kind: 'released', generation: lease.generation });
  tell(state, { kind: 'stopped' });
}
