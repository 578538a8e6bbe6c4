/**
 * A leader without company: with one copy, or until the others of a new assignment come.
 *
 * While nobody else is in the set, may be in it, or is assigned, the engine commits by itself, and the log knows
 * nothing of it. When that ends the log begins anew at a position that no replica can hold: what was written
 * meanwhile is in the copy and in no entry, so only a snapshot may bring another up to date.
 */

import { nodeOf } from './identity.ts';
import { inSyncSets } from './in-sync.ts';
import { emit, type Leadership, type State } from './state.ts';

/** Begins or ends it. The end is published before anything is replicated. */
export function followAlone(state: State): void {
  const { leadership, serving } = state;
  if (leadership === undefined) return;
  leadership.almostAlone = isWithoutOthers(state, leadership);
  const alone = leadership.almostAlone && !state.log.hasPending;
  if (alone === leadership.alone) return;
  leadership.alone = alone;
  if (alone) return;
  if (serving.role === 'leader') {
    state.serving = { ...serving, alone };
    emit(state, { kind: 'publish', serving: state.serving });
  }
  endAlone(state, leadership);
}

/** What the engine has committed by itself counts as one entry, which nobody has. */
export function endAlone({ log }: State, { epoch }: Leadership): void {
  log.reset({ epoch, sequence: log.last.sequence + 1 });
}

function isWithoutOthers(state: State, leadership: Leadership): boolean {
  const { self } = state.options;
  const { maximal, minimal } = inSyncSets(state);
  if (maximal.size !== 1 || !minimal.has(self)) return false;
  if (leadership.handOver !== undefined) return false;
  const node = nodeOf(self);
  return state.tracker.lastKnown?.assignment.every((one) => one === node) ?? false;
}
