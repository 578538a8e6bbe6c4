/**
 * Until when a leader's reads are linearizable (rule 9), as the control block says it.
 *
 * Whoever reads loads the leadership counter, reads, compares the clock with `readUntilMs`, and loads the
 * counter again: a read that is not covered to its end is parked. `readUntilMs` falls only before
 * something is sent that makes it necessary.
 */

import { promiseSet } from './in-sync.ts';
import { promisedUntilMs } from './promises.ts';
import { mayBeAnothers } from './replicate.ts';
import { isBroken, type State } from './state.ts';

export function readUntilMs(state: State): number {
  if (isBroken(state, 'read-unchecked')) return Number.POSITIVE_INFINITY;
  if (mayBeAnothers(state) && !isBroken(state, 'hand-over-serving')) return 0;
  return promisedUntilMs(state, promiseSet(state));
}
