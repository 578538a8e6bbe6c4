/** What a leader can tell of the other replicas, for metrics, for people and for the engine's budget. */

import type { Incarnation } from './identity.ts';
import { inSyncSets } from './in-sync.ts';
import type { State } from './state.ts';

export interface KnownReplica {
  readonly incarnation: Incarnation;
  /** Whether it may be in the in-sync set: what is out waits for it. */
  readonly inSync: boolean;
  /** Entries that it lacks; undefined: nothing is known yet. */
  readonly lagEntries: number | undefined;
  /** How it is being brought up to date; undefined: it is. */
  readonly catchingUp: 'log' | 'snapshot' | undefined;
  /** It had no room for what came last. */
  readonly outOfMemory: boolean;
  /** Bytes of its budget that are free, as it told last. */
  readonly freeBytes: number | undefined;
}

export function knownReplicas(state: State): KnownReplica[] {
  const { maximal } = inSyncSets(state);
  const last = state.log.last.sequence;
  const known = [...(state.leadership?.progress ?? [])];
  return known.map(([incarnation, { held, snapshot, noMemory, freeBytes }]) => {
    const inSync = maximal.has(incarnation);
    const log = held === undefined || (!inSync && held < last) ? 'log' : undefined;
    return {
      incarnation,
      inSync,
      lagEntries: held === undefined ? undefined : last - held,
      catchingUp: snapshot === undefined ? log : 'snapshot',
      outOfMemory: noMemory > 0,
      freeBytes,
    };
  });
}

export function freeBytesMin(state: State): number {
  let bytes = Number.POSITIVE_INFINITY;
  const { leadership } = state;
  if (leadership === undefined) return bytes;
  for (const member of inSyncSets(state).maximal) {
    const freeBytes = leadership.progress.get(member)?.freeBytes;
    if (freeBytes !== undefined && freeBytes < bytes) bytes = freeBytes;
  }
  return bytes;
}
