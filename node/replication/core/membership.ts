/**
 * Changing the in-sync set (rules 5, 6).
 *
 * A removal is always safe, for until it is resolved the member counts for commits and reads (`maximal`).
 * An addition needs a replica that holds all of the log, the pending batch included, as acknowledged in
 * this epoch; it counts from before its compare-and-set is sent, for that is when it may be stored.
 */

import { type Incarnation, nodeOf } from './identity.ts';
import { inSyncSets } from './in-sync.ts';
import type { CurrentLease } from './lease.ts';
import { limits } from './limits.ts';
import { type Intent, isBroken, type Leadership, promiseMs, type State } from './state.ts';

export function shrink(state: State): Intent | undefined {
  const led = ledLease(state);
  if (led === undefined) return undefined;
  const { lease, leadership } = led;
  const { self } = state.options;
  const staying = lease.inSync.filter(
    (member) => member === self || !isToGo(state, leadership, lease, member),
  );
  const heard = staying.filter(
    (member) => member === self || !isSilent(state, leadership, member, silenceMs(state)),
  );
  const inSync = givesWay(state, lease, leadership, heard)
    ? staying.filter((one) => one === self || !isSilent(state, leadership, one, lonelyMs(state)))
    : heard;
  if (inSync.length === lease.inSync.length) return undefined;
  const { epoch, generation, leader } = lease;
  return { base: lease, edit: { cause: 'Shrink', epoch, generation, leader, inSync } };
}

export function grow(state: State): Intent | undefined {
  const led = ledLease(state);
  if (led === undefined) return undefined;
  const { lease, leadership } = led;
  const { maximal } = inSyncSets(state);
  const joining = lease.assignment
    .map((node) => connected(state, node))
    .find((one) => one !== undefined && !maximal.has(one) && hasCaughtUp(state, leadership, one));
  // One that may be in the set by an unresolved addition is asked for again: that settles it, too.
  const again = state.tracker.hasUnresolved
    ? [...maximal].find((one) => !lease.inSync.includes(one))
    : undefined;
  const added = again ?? joining;
  if (added === undefined) return undefined;
  const { epoch, generation, leader } = lease;
  const inSync = [...lease.inSync, added];
  return { base: lease, edit: { cause: 'Grow', epoch, generation, leader, inSync } };
}

/**
 * A leader that no longer hears enough members to take writes, and did before, is perhaps cut off: the others could
 * go on without it, if it left them in the set until they campaign. One that has heard nobody since it leads doesn't
 * wait: else two that don't hear each other would take the leadership from each other again and again.
 */
function givesWay(
  state: State,
  lease: CurrentLease,
  leadership: Leadership,
  heard: readonly Incarnation[],
): boolean {
  const enough = state.minInSync;
  if (heard.length >= enough || lease.inSync.length < enough) return false;
  if (lease.assignment.length - 1 < enough) return false;
  return lease.inSync.some((member) => heardMs(leadership, member) > leadership.sinceMs);
}

/** How long the silence of all may be before a leader is content with itself. */
export function lonelyMs(state: State): number {
  return promiseMs(state) * limits.lonelyPromises;
}

/** Since when a member has said nothing that counts in this epoch. */
export const heardMs = (leadership: Leadership, member: Incarnation): number =>
  leadership.progress.get(member)?.heardMs ?? leadership.sinceMs;

/** How long a member may be silent; a while as before, where heartbeats came at the pace of a longer promise. */
export function silenceMs(state: State): number {
  const { patience, nowMs } = state;
  const lengthMs = patience !== undefined && nowMs < patience.untilMs ? patience.promiseMs : 0;
  return Math.max(lengthMs, promiseMs(state)) * limits.silencePromises;
}

function isToGo(
  state: State,
  leadership: Leadership,
  lease: CurrentLease,
  member: Incarnation,
): boolean {
  if (state.leaving.has(member)) return true;
  if (hasEnded(state, member)) return true;
  // Only a snapshot could bring it up to date, and it must not drop its copy as a member.
  if (leadership.progress.get(member)?.snapshot !== undefined) return true;
  if (!lease.assignment.includes(nodeOf(member))) {
    const nodes = new Set(lease.inSync.map(nodeOf));
    if (lease.assignment.every((node) => nodes.has(node))) return true;
  }
  return false;
}

/** Its process has certainly ended. */
export function hasEnded({ peers }: State, member: Incarnation): boolean {
  const peer = peers.get(nodeOf(member));
  return peer !== undefined && (peer.incarnation !== member || peer.state === 'refused');
}

const isSilent = (
  state: State,
  leadership: Leadership,
  member: Incarnation,
  forMs: number,
): boolean => state.nowMs - heardMs(leadership, member) >= forMs;

function hasCaughtUp(state: State, leadership: Leadership, one: Incarnation): boolean {
  const progress = leadership.progress.get(one);
  if (progress === undefined || state.leaving.has(one)) return false;
  // One that would be removed at once, for its last promise outlasts the silence that it may keep, goes in and
  // out as fast as the store answers.
  if (isSilent(state, leadership, one, silenceMs(state))) return false;
  // Its promise is at hand, so that reads need not wait for one when it joins.
  if (progress.promisedUntilMs <= state.nowMs) return false;
  if (isBroken(state, 'grow-not-caught-up')) return true;
  const needed = isBroken(state, 'grow-without-pending')
    ? leadership.batchFrom
    : state.log.last.sequence;
  return progress.held !== undefined && progress.held >= needed;
}

function connected(state: State, node: string): Incarnation | undefined {
  const peer = state.peers.get(node);
  return peer?.state === 'up' ? peer.incarnation : undefined;
}

function ledLease(state: State): { lease: CurrentLease; leadership: Leadership } | undefined {
  const lease = state.tracker.current;
  const { leadership } = state;
  if (lease === undefined || leadership === undefined || lease.epoch !== leadership.epoch) {
    return undefined;
  }
  return { lease, leadership };
}
