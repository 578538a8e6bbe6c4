/**
 * What follows from the state: all rules, or for the inputs of a busy shard only those that they can touch.
 *
 * A batch at its leader is one `write` and an acknowledgement of each follower. Nothing but the log and the
 * progress of members changes with them, so only what reads these is looked at (`advanceHot`). Every other input,
 * and whatever else such a message brings, sets `state.changed`; a moment that a rule waits for is `dueMs`.
 */

import { followAlone } from './alone.ts';
import { dropUnneeded, provide } from './data.ts';
import {
  campaign,
  campaignStepMs,
  isCampaignAwaitingStore,
  planCampaign,
  takeFreeLease,
} from './election.ts';
import {
  beginAsked,
  giveUpHandOver,
  handOver,
  isHandOverAwaitingStore,
  preferFirst,
} from './hand-over.ts';
import { followLease } from './leadership.ts';
import { noEdit } from './lease.ts';
import { limits } from './limits.ts';
import { startNextGeneration } from './loss.ts';
import { grow, shrink } from './membership.ts';
import { commit, findTargets, replicate } from './replicate.ts';
import { publish } from './serving.ts';
import { continueShutdown, finishShutdown, isIdle, release } from './shutdown.ts';
import { emit, type Intent, type State } from './state.ts';
import { isAwaited } from './staying.ts';
import { rulesDueMs } from './timers.ts';

export function advance(state: State): void {
  if (state.stopped && !isAwaited(state)) return;
  state.stopped = false;
  if (!isAllDue(state)) {
    advanceHot(state);
    if (!state.changed) return;
  }
  state.changed = false;
  state.looks++;
  advanceAll(state);
  planCampaign(state);
  state.rulesDueMs = rulesDueMs(state);
}

const isAllDue = (state: State): boolean =>
  state.changed ||
  state.stopping ||
  state.nowMs >= state.rulesDueMs ||
  state.nowMs >= campaignStepMs(state);

function advanceHot(state: State): void {
  commit(state);
  // More than the log changed: an inherited entry was committed, a hand-over waited for the batch.
  if (state.changed) return;
  if (state.promisesChanged) publish(state);
  state.promisesChanged = false;
  replicate(state);
}

function advanceAll(state: State): void {
  followLease(state);
  giveUpHandOver(state);
  continueShutdown(state);
  beginAsked(state);
  if (state.leadership !== undefined) preferFirst(state, state.leadership);
  commit(state);
  followAlone(state);
  const intent = decide(state);
  publish(state);
  dropUnneeded(state, intent);
  request(state, intent);
  findTargets(state);
  replicate(state);
  commit(state);
  publish(state);
}

/** The first rule that wants something written. The order is that of their urgency. */
function decide(state: State): Intent | undefined {
  return (
    release(state) ??
    startNextGeneration(state) ??
    takeFreeLease(state) ??
    campaign(state) ??
    handOver(state) ??
    shrink(state) ??
    grow(state) ??
    settle(state)
  );
}

/** A compare-and-set of unknown fate, and nothing else to write: a no-op settles it (rule 2). */
function settle(state: State): Intent | undefined {
  const lease = state.tracker.current;
  if (lease === undefined || !state.tracker.hasUnresolved) return undefined;
  return { base: lease, edit: noEdit(lease) };
}

/** Sends the one request that is due, if any. */
function request(state: State, intent: Intent | undefined): void {
  const { tracker, writes, nowMs } = state;
  if (tracker.busy) return;
  if (isIdle(state)) {
    finishShutdown(state);
    return;
  }
  if (tracker.readWanted) {
    readIfDue(state);
    return;
  }
  if (intent === undefined) {
    if (state.stopping) finishShutdown(state);
    if (isHandOverAwaitingStore(state) || isCampaignAwaitingStore(state)) readIfDue(state, true);
    else if (!state.stopped) recheck(state);
    return;
  }
  if (intent.data !== undefined && !provide(state, intent.data)) return;
  if (writes.dueMs > nowMs) return;
  const { confirmedAfter } = intent;
  if (confirmedAfter !== undefined && tracker.confirmedBy <= confirmedAfter) {
    readIfDue(state, true);
    return;
  }
  state.attempt = intent.edit;
  const write = tracker.write(intent.base, intent.edit, intent.dueMs);
  // A leader's reads and writes stop before what may end or widen its leadership is sent.
  if (state.leadership !== undefined) publish(state);
  emit(state, write);
}

/**
 * Looks again for a Lease that no watch has told, until one does; and while it shuts down, for a node whose cluster is
 * deleted must not wait for its fellows because the watch, or their last word, was lost.
 */
function recheck(state: State): void {
  const { tracker, nowMs } = state;
  if (!tracker.unwatched && !state.stopping) {
    state.recheckAtMs = undefined;
  } else if (state.recheckAtMs === undefined) {
    state.recheckAtMs = nowMs + limits.recheckMs;
  } else if (state.recheckAtMs <= nowMs) {
    readIfDue(state);
  }
}

function readIfDue(state: State, orAny = false): void {
  const { tracker, reads, nowMs } = state;
  if (reads.dueMs > nowMs) return;
  state.recheckAtMs = undefined;
  emit(state, tracker.read(orAny));
}
