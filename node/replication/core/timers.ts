/** When the core wants to be woken though nothing happens. */

import { campaignStepMs } from './election.ts';
import { preferredDueMs } from './hand-over.ts';
import { inSyncSets } from './in-sync.ts';
import { heardMs, lonelyMs, silenceMs } from './membership.ts';
import { isWanting } from './replicate.ts';
import type { State } from './state.ts';
import { isSuccessorAwaited } from './successor.ts';

/** The next moment of the store's retries; those of requests wait for the one that is out. */
function storeDues({ tracker, reads, writes, nowMs, recheckAtMs }: State): number[] {
  return tracker.busy ? [] : [reads.dueMs, writes.dueMs, recheckAtMs ?? nowMs];
}

function leaderDues(state: State): number[] {
  const { leadership, options, tracker, patience } = state;
  if (leadership === undefined) return [];
  const dues: number[] = [];
  if (!tracker.busy) {
    for (const member of inSyncSets(state).maximal) {
      if (member === options.self) continue;
      const silentSinceMs = heardMs(leadership, member);
      dues.push(silentSinceMs + silenceMs(state), silentSinceMs + lonelyMs(state));
    }
    const preferredMs = preferredDueMs(state, leadership);
    if (preferredMs !== undefined) dues.push(preferredMs);
  }
  if (patience !== undefined) dues.push(patience.untilMs);
  if (leadership.handOver !== undefined) dues.push(leadership.handOver.giveUpAtMs);
  if (leadership.handOverAsked !== undefined) dues.push(leadership.handOverAsked.untilMs);
  return dues;
}

/** What all rules wait for, but for a campaign. A member heard of since then moves it: it is looked at in vain. */
export function rulesDueMs(state: State): number {
  const dues = [...storeDues(state), ...leaderDues(state)];
  if (isSuccessorAwaited(state)) dues.push(state.successorAwaited?.untilMs ?? state.nowMs);
  return earliest(dues, state.nowMs);
}

export function wakeAtMs(state: State): number | undefined {
  if (state.stopped) return undefined;
  const { rulesDueMs } = state;
  let wakeMs = rulesDueMs > state.nowMs ? rulesDueMs : Number.POSITIVE_INFINITY;
  const campaignMs = campaignStepMs(state);
  if (!state.tracker.busy && campaignMs > state.nowMs && campaignMs < wakeMs) wakeMs = campaignMs;
  const { leadership } = state;
  if (leadership === undefined) return orNever(wakeMs);
  const commitMs = leadership.commitDueMs ?? Number.POSITIVE_INFINITY;
  if (commitMs > state.nowMs && commitMs < wakeMs) wakeMs = commitMs;
  for (const { progress } of leadership.targets) {
    const { resendAtMs, snapshot } = progress;
    const cutMs = snapshot?.resendAtMs ?? Number.POSITIVE_INFINITY;
    if (cutMs > state.nowMs && cutMs < wakeMs) wakeMs = cutMs;
    if (resendAtMs > state.nowMs && resendAtMs < wakeMs && isWanting(state, progress)) {
      wakeMs = resendAtMs;
    }
  }
  return orNever(wakeMs);
}

const orNever = (wakeMs: number): number | undefined =>
  wakeMs === Number.POSITIVE_INFINITY ? undefined : wakeMs;

function earliest(dues: readonly number[], afterMs: number): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const dueMs of dues) if (dueMs > afterMs && dueMs < earliestMs) earliestMs = dueMs;
  return earliestMs;
}
