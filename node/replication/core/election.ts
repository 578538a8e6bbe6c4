/** Who takes a Lease that nobody holds: rule 10, and the free Lease of an empty generation. */

import { type Incarnation, nextEpoch, nodeOf } from './identity.ts';
import { type CurrentLease, isFree } from './lease.ts';
import { limits } from './limits.ts';
import { hasEnded } from './membership.ts';
import { type CampaignPlan, type Intent, isBroken, promiseMs, rank, type State } from './state.ts';
import { isSomebodyToCome } from './staying.ts';

/**
 * A free Lease goes to the first of the assignment, with the set = itself. No quorum read comes first:
 * there is no data to lose and no promise to keep, and the compare-and-set fails on a stale version.
 */
export function takeFreeLease(state: State): Intent | undefined {
  const lease = state.tracker.current;
  if (lease === undefined || state.stopping || !isFree(lease)) return undefined;
  if (rank(state, lease) !== 0) return undefined;
  const { self } = state.options;
  const { generation } = lease;
  const epoch = nextEpoch(lease.epoch);
  return {
    base: lease,
    edit: { cause: 'Free', epoch, generation, leader: self, inSync: [self] },
    data: generation,
  };
}

/**
 * A member of the in-sync set takes over when every promise that it gave, to anyone, has run out, and the store answered a
 * quorum read and, if it was of this Lease, showed no other: while the store is away it goes on
 * promising. The read is asked for shortly before the campaign is due, and counts unless another promise is given
 * meanwhile. All campaigns of a node may share one. The set loses the old leader. Where a leader is named that was not
 * heard yet, it gets the time of a promise first. Members that are there come one after the other, by their rank: those who
 * waited for the store, further apart, for an API server that returns is slow.
 */
export function campaign(state: State): Intent | undefined {
  const lease = state.tracker.current;
  planCampaign(state);
  if (lease === undefined || askDueMs(state) > state.nowMs) {
    state.campaignAsked = undefined;
    return undefined;
  }
  state.campaignAsked ??= { since: state.tracker.lastRequest, answeredMs: undefined };
  const asked = state.campaignAsked;
  if (!isCampaignAwaitingStore(state)) asked.answeredMs ??= state.nowMs;
  const dueMs = campaignDueMs(state);
  if (startMs(state) > state.nowMs) return undefined;
  const { self } = state.options;
  const { generation, leader } = lease;
  const rest = lease.inSync.filter((member) => member === self || member !== leader);
  const inSync = rest.includes(self) ? rest : [...rest, self];
  const epoch = nextEpoch(lease.epoch);
  return {
    base: lease,
    edit: { cause: 'Campaign', epoch, generation, leader: self, inSync },
    data: generation,
    confirmedAfter: asked.since,
    dueMs,
  };
}

/** It will campaign soon, if only the store answers. */
export const isCampaignAwaitingStore = ({ campaignAsked, tracker }: State): boolean =>
  campaignAsked !== undefined && tracker.confirmedBy <= campaignAsked.since;

/** When the next step of a campaign is due, if nothing changes but promises; Infinity: none is. */
export const campaignStepMs = (state: State): number =>
  state.campaignAsked === undefined ? askDueMs(state) : startMs(state);

/** From when on this replica may campaign, if nothing changes but promises; Infinity: it may not. */
function campaignDueMs(state: State): number {
  const { campaignPlan: plan, givenUntilMs } = state;
  if (plan === undefined) return Number.POSITIVE_INFINITY;
  if (isBroken(state, 'campaign-unexpired')) return plan.notBeforeMs + plan.waitMs;
  return Math.max(givenUntilMs, plan.notBeforeMs) + plan.waitMs;
}

/** Where the store answered only after that, it did so to the others, too: they come one after the other from then on. */
function startMs(state: State): number {
  const { campaignPlan: plan, campaignAsked } = state;
  const answeredMs = campaignAsked?.answeredMs;
  const dueMs = campaignDueMs(state);
  if (plan === undefined || answeredMs === undefined || answeredMs <= dueMs) return dueMs;
  return answeredMs + plan.lateWaitMs;
}

/** From when on it asks whether the store is there. */
const askDueMs = (state: State): number =>
  campaignDueMs(state) - promiseMs(state) * limits.askAheadPromises;

/** Works out what `campaignStepMs` needs besides the promises, which come at any time. */
export function planCampaign(state: State): void {
  state.campaignPlan = planOf(state);
}

function planOf(state: State): CampaignPlan | undefined {
  const lease = state.tracker.current;
  const { options, leadership, data, epochSinceMs, heardEpoch } = state;
  const { self } = options;
  const may =
    lease !== undefined &&
    leadership === undefined &&
    (lease.inSync.includes(self) || isBroken(state, 'campaign-outside-set')) &&
    data.kind === 'present' &&
    data.generation === lease.generation &&
    state.complete &&
    lease.epoch >= heardEpoch;
  if (!may) return undefined;
  const sinceMs = epochSinceMs?.sinceMs ?? state.nowMs;
  const lengthMs = promiseMs(state);
  if (state.stopping) {
    // Only so that the copy does not end with it; who stays comes first.
    return isSomebodyToCome(state)
      ? { notBeforeMs: sinceMs + lengthMs, waitMs: lengthMs, lateWaitMs: 0 }
      : undefined;
  }
  if (lease.leader === undefined || lease.leader === self) {
    return { notBeforeMs: Number.NEGATIVE_INFINITY, waitMs: 0, lateWaitMs: 0 };
  }
  const place = rankOf(state, lease) * lengthMs;
  return {
    notBeforeMs: sinceMs + lengthMs,
    waitMs: place * limits.rankPromises,
    lateWaitMs: place * limits.lateRankPromises,
  };
}

/** How many members of the set come first, in the order of the assignment. Nobody waits for one that is gone. */
function rankOf(state: State, lease: CurrentLease): number {
  const { self } = state.options;
  const nodes = new Set(
    lease.inSync
      .filter((member) => member === self || (member !== lease.leader && isThere(state, member)))
      .map(nodeOf),
  );
  const order = lease.assignment.filter((node) => nodes.has(node));
  const place = order.indexOf(nodeOf(self));
  return place < 0 ? order.length : place;
}

/** Not known to be gone: who was never heard may be there. */
const isThere = (state: State, member: Incarnation): boolean =>
  state.peers.get(nodeOf(member))?.state !== 'down' && !hasEnded(state, member);
