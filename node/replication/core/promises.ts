/**
 * Promises, as one shard knows them (rule 8): those it gave, and those its leader holds.
 *
 * The heartbeats themselves are one for each pair of nodes (`heartbeats.ts`). A promise is refused to an
 * old epoch, by a leader, without a copy of that generation, and from before a campaign is sent until it
 * is resolved: then it may have been won.
 */

import { unknown } from './freshness.ts';
import type { Refused } from './heartbeats.ts';
import type { Incarnation } from './identity.ts';
import { inSyncSets, promiseSet } from './in-sync.ts';
import type { Input } from './io.ts';
import type { LedShard } from './messages.ts';
import { emit, epochSeen, holdsCopy, isBroken, type State } from './state.ts';

/** Gives `from` a promise until then, by this node's clock, or says why not. */
export function givePromise(state: State, row: LedShard, untilMs: number): Refused | undefined {
  const seen = epochSeen(state);
  if (row.epoch < seen) return { epoch: seen, reason: 'epoch' };
  if (state.leadership !== undefined) return { epoch: seen, reason: 'leader' };
  if (isCampaigning(state) && !isBroken(state, 'campaign-promising')) {
    return { epoch: seen, reason: 'campaign' };
  }
  if (!holdsCopy(state, row.generation)) return { epoch: seen, reason: 'generation' };
  if (row.epoch > state.heardEpoch) {
    state.heardEpoch = row.epoch;
    state.changed = true;
  }
  // A quorum read that was asked for before this tells nothing of what comes when it has run out.
  state.campaignAsked = undefined;
  state.givenUntilMs = Math.max(state.givenUntilMs, untilMs);
  return undefined;
}

/** Whether a compare-and-set that makes this incarnation the leader may be stored, now or later. */
const isCampaigning = ({ tracker, options }: State): boolean =>
  tracker.possibleEdits.some(({ leader }) => leader === options.self);

/** The leader got a promise. It counts only for the leadership that asked. */
export function takePromise(state: State, given: Extract<Input, { kind: 'promised' }>): void {
  const { leadership, nowMs } = state;
  if (leadership === undefined || leadership.epoch !== given.epoch) return;
  const progress = leadership.progress.get(given.by);
  if (progress === undefined) return;
  progress.promisedUntilMs = Math.max(progress.promisedUntilMs, given.untilMs);
  progress.heardMs = nowMs;
  // Of a replica on its way into the set it opens the way.
  if (inSyncSets(state).maximal.has(given.by)) state.promisesChanged = true;
  else state.changed = true;
}

/**
 * This node's clock stood still while others' went on: what it holds may have run out long ago, and its copy may be as
 * old. What it gave itself it keeps all the longer.
 */
export function voidPromises(state: State): void {
  if (isBroken(state, 'promise-of-suspended')) return;
  for (const progress of state.leadership?.progress.values() ?? []) progress.promisedUntilMs = 0;
  // Not by `publish`, which would take the data to be as fresh as those promises.
  if (state.serving.role === 'leader' && !state.serving.alone) {
    const readUntilMs = promisedUntilMs(state, promiseSet(state));
    state.serving = { ...state.serving, readUntilMs };
    emit(state, { kind: 'publish', serving: state.serving });
  }
  state.fresh = unknown();
}

/** When all promises that the leader needs are held until; Infinity: it needs none. */
export function promisedUntilMs(state: State, needed: Iterable<Incarnation>): number {
  let untilMs = Number.POSITIVE_INFINITY;
  for (const member of needed) {
    if (member === state.options.self) continue;
    const promised = state.leadership?.progress.get(member)?.promisedUntilMs ?? 0;
    untilMs = Math.min(untilMs, promised);
  }
  return untilMs;
}
