/** When this node's copy is made, kept and dropped. */

import { type Generation, nodeOf } from './identity.ts';
import { type Data, emit, type Intent, type State } from './state.ts';

/**
 * Drops a copy that nothing needs: of an older generation (rule 15), or outside the in-sync set and
 * not about to get in. While the Lease is lost or unknown, everything is kept.
 */
export function dropUnneeded(state: State, intent: Intent | undefined): void {
  const { data } = state;
  if (data.kind !== 'present' || isNeeded(state, data, intent)) return;
  // Of an older generation: its messages are refused from now on.
  if (data.generation < (state.tracker.current?.generation ?? 0)) state.following = undefined;
  state.data = { kind: 'dropping' };
  emit(state, { kind: 'drop-data', generation: data.generation });
}

/** Whether the copy is there; if not, makes it unless an older one is still going. */
export function provide(state: State, generation: Generation): boolean {
  const { data } = state;
  if (data.kind === 'present' && data.generation === generation) return true;
  if (data.kind === 'absent' && state.writes.dueMs <= state.nowMs) {
    state.data = { kind: 'creating', generation };
    emit(state, { kind: 'create-data', generation });
  }
  return false;
}

function isNeeded(
  state: State,
  { generation, used }: Extract<Data, { kind: 'present' }>,
  intent: Intent | undefined,
): boolean {
  const lease = state.tracker.current;
  const { self } = state.options;
  if (lease === undefined || state.stopping) return true;
  if (generation < lease.generation) return false;
  // A free Lease is started on empty: what is left of a leadership in it may lack later writes.
  if (intent?.data === generation && !used) return true;
  // A follower on its way into the set keeps what it has, whoever leads.
  if (generation === lease.generation && lease.inSync.length > 0) {
    if (lease.assignment.includes(nodeOf(self))) return true;
  }
  // What was acknowledged to a leader stays while it leads: it may count on it, and ask for this replica
  // to be in the set, though a Lease in between named others.
  if (state.following !== undefined) return true;
  const mayLead = state.tracker.possibleEdits.some(
    (edit) => edit.generation === generation && edit.inSync.includes(self),
  );
  return mayLead || (generation === lease.generation && lease.inSync.includes(self));
}
