/** When the core wants to be woken though nothing happens. */

import { campaignDueMs } from './election.ts';
import { preferredDueMs } from './hand-over.ts';
import { inSyncSets } from './in-sync.ts';
import { heardMs, silenceMs } from './membership.ts';
import { isUp, isWanting } from './replicate.ts';
import type { State } from './state.ts';

/** The next moment of the store's retries; those of requests wait for the one that is out. */
function storeDues({ tracker, reads, writes, nowMs, recheckAtMs }: State): number[] {
  return tracker.busy ? [] : [reads.dueMs, writes.dueMs, recheckAtMs ?? nowMs];
}

function leaderDues(state: State): number[] {
  const { leadership, options, tracker } = state;
  if (leadership === undefined || options.replication === undefined) return [];
  const dues: number[] = [];
  for (const [to, progress] of leadership.progress) {
    if (isUp(state, to) && isWanting(state, progress)) dues.push(progress.resendAtMs);
  }
  if (!tracker.busy) {
    for (const member of inSyncSets(state).maximal) {
      if (member !== options.self) dues.push(heardMs(leadership, member) + silenceMs(state));
    }
    const preferredMs = preferredDueMs(state, leadership);
    if (preferredMs !== undefined) dues.push(preferredMs);
  }
  if (leadership.handOver !== undefined) dues.push(leadership.handOver.giveUpAtMs);
  return dues;
}

export function wakeAtMs(state: State): number | undefined {
  if (state.stopped) return undefined;
  const campaignMs = state.tracker.busy ? undefined : campaignDueMs(state);
  const dues = [...storeDues(state), ...leaderDues(state), campaignMs ?? state.nowMs];
  const due = dues.filter((dueMs) => dueMs > state.nowMs);
  return due.length === 0 ? undefined : Math.min(...due);
}
