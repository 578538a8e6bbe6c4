/**
 * Giving leadership to another member (rule 12): drain, upgrade, rebalance.
 *
 * The leader stops writes, waits for those that were executed and for the batch that is out, stops reads, and sends the
 * compare-and-set. Unless that is refused, it serves again only after winning another one on the same version:
 * the tracker keeps the unresolved edit among the possible ones, and that stops reads and writes.
 *
 * While the store is away, a leader that has begun it serves nobody: so where nobody is in a hurry it begins only once the
 * store has answered since it was wanted.
 *
 * A node that shuts down gives its place in the set away with the leadership: the removal of a member is always safe, and
 * the successor then needs nobody's promise or acknowledgement who is about to end.
 */

import { type Incarnation, nextEpoch, nodeOf } from './identity.ts';
import { inSyncSets } from './in-sync.ts';
import type { Input } from './io.ts';
import type { CurrentLease } from './lease.ts';
import { limits } from './limits.ts';
import { isUp } from './replicate.ts';
import { publish } from './serving.ts';
import {
  type AwaitedSuccessor,
  emit,
  type HandOver,
  type Intent,
  isBroken,
  type Leadership,
  promiseMs,
  type State,
  send,
  tell,
} from './state.ts';

/** Somebody wants it. */
export function askHandOver(state: State, order: Extract<Input, { kind: 'hand-over' }>): void {
  const { leadership, nowMs } = state;
  const { to, withinMs = limits.handOverAskMs } = order;
  const asked = leadership?.handOverAsked;
  const problem = asked !== undefined && asked.to !== to ? underWay(asked) : problemOf(state, to);
  if (leadership === undefined || problem !== undefined) {
    tell(state, { kind: 'hand-over-refused', to, message: problem ?? notLeading });
    return;
  }
  // Who asked for the same before is answered with it.
  if (asked !== undefined) return;
  const untilMs = nowMs + Math.min(withinMs, limits.handOverAskMs);
  leadership.handOverAsked = { to, after: state.tracker.lastRequest, untilMs };
  // Somebody waits for the answer: whatever failed before, the store is asked now.
  state.reads.succeeded();
}

/** Begins what somebody asked for, or refuses it; until then all is served. */
export function beginAsked(state: State): void {
  const { leadership, tracker, nowMs } = state;
  const asked = leadership?.handOverAsked;
  if (leadership === undefined || asked === undefined) return;
  const { to, after, untilMs } = asked;
  const problem = problemOf(state, to);
  if (problem !== undefined) refuseAsked(state, problem);
  else if (leadership.handOver !== undefined || tracker.confirmedBy > after) {
    leadership.handOverAsked = undefined;
    startHandOver(state, to);
    tell(state, { kind: 'hand-over-begun', to });
  } else if (nowMs >= untilMs) refuseAsked(state, noAnswer());
}

/** A read that was sent before it was asked for says nothing of now. */
export function readFailedOfAsked(
  state: State,
  { request, message }: Extract<Input, { kind: 'read-failed' }>,
): void {
  const after = state.leadership?.handOverAsked?.after;
  if (after !== undefined && request > after) refuseAsked(state, noAnswer(message));
}

export function refuseAsked(state: State, message: string): void {
  const { leadership } = state;
  if (leadership?.handOverAsked === undefined) return;
  const { to } = leadership.handOverAsked;
  leadership.handOverAsked = undefined;
  tell(state, { kind: 'hand-over-refused', to, message });
}

/** Begins it, if the target may lead and nothing stands against it. */
export function startHandOver(state: State, to: Incarnation): boolean {
  const { leadership, nowMs, options } = state;
  if (leadership === undefined || leadership.handOver !== undefined) return false;
  if (to === options.self || state.tracker.lost !== undefined || !mayLead(state, to)) return false;
  const giveUpAtMs = nowMs + promiseMs(state) * limits.handOverPromises;
  leadership.handOver = { to, giveUpAtMs };
  // Nobody begins a write any more; what was executed before is awaited.
  publish(state);
  state.stopsOut++;
  emit(state, { kind: 'stop-writes' });
  return true;
}

/** Ends one that came to nothing. Without a Lease, there is nothing to give away. */
export function giveUpHandOver(state: State): void {
  const { tracker, leadership, nowMs } = state;
  if (leadership?.handOver === undefined) return;
  const { to, giveUpAtMs } = leadership.handOver;
  if (tracker.lost !== undefined || nowMs >= giveUpAtMs || !mayLead(state, to)) {
    leadership.handOver = undefined;
  }
}

export function handOver(state: State): Intent | undefined {
  const { tracker, leadership, log } = state;
  const lease = tracker.current;
  if (leadership?.handOver === undefined || lease === undefined) return undefined;
  const { to } = leadership.handOver;
  if (log.hasPending || state.stopsOut > 0) return undefined;
  const epoch = nextEpoch(lease.epoch);
  const members = lease.inSync.includes(to) ? lease.inSync : [...lease.inSync, to];
  // Who leaves goes with it: the successor need neither wait for its word nor ask the store once more.
  const inSync = state.stopping ? members.filter((one) => one !== state.options.self) : members;
  const { generation } = lease;
  return { base: lease, edit: { cause: 'HandOver', epoch, generation, leader: to, inSync } };
}

/** The old leader tells the new one, which need not wait for its watch. */
export function tellSuccessor(state: State, lease: CurrentLease): void {
  const { attempt, following, successorAwaited: awaited } = state;
  if (awaited === undefined || awaited.version !== undefined || following !== undefined) return;
  if (lease.leader === undefined || attempt?.leader !== lease.leader) return;
  if (attempt.cause !== 'HandOver' || attempt.epoch !== lease.epoch) return;
  state.successorAwaited = { ...awaited, version: lease.version };
  send(state, lease.leader, lease, { kind: 'hand-over', lease });
}

/** Of a leader that leaves to a higher epoch. */
export function awaitSuccessor(state: State): AwaitedSuccessor {
  const untilMs = state.nowMs + promiseMs(state) * limits.successorPromises;
  return { untilMs, version: undefined };
}

/**
 * Leadership goes back to the first of the assignment, once that has been in sync for a while. Nobody is in a hurry: the store
 * must have answered since then, for while it is away the shard would serve nobody until it returns.
 */
export function preferFirst(state: State, leadership: Leadership): void {
  const dueMs = preferredDueMs(state, leadership);
  const { preferred } = leadership;
  if (dueMs === undefined || dueMs > state.nowMs || preferred === undefined) return;
  const { dueAfter = state.tracker.lastRequest } = preferred;
  leadership.preferred = { ...preferred, dueAfter };
  if (isPreferredAwaitingStore(state)) return;
  startHandOver(state, preferred.to);
  leadership.preferred = undefined;
}

/** It would give leadership away, if only the store answered. */
export function isHandOverAwaitingStore(state: State): boolean {
  const asked = state.leadership?.handOverAsked;
  if (asked !== undefined && state.tracker.confirmedBy <= asked.after) return true;
  return isPreferredAwaitingStore(state);
}

function isPreferredAwaitingStore({ leadership, tracker }: State): boolean {
  const dueAfter = leadership?.preferred?.dueAfter;
  return dueAfter !== undefined && tracker.confirmedBy <= dueAfter;
}

/** When the first of the assignment is to lead; undefined: it does, or can't. */
export function preferredDueMs(state: State, leadership: Leadership): number | undefined {
  const to = firstOfAssignment(state);
  const may = to !== undefined && to !== state.options.self && mayLead(state, to);
  if (!may) leadership.preferred = undefined;
  else if (leadership.preferred?.to !== to) leadership.preferred = { to, sinceMs: state.nowMs };
  const since = leadership.preferred?.sinceMs;
  if (since === undefined) return undefined;
  // A leader that is to hold no replica any more is in the way of its own removal.
  const assigned = state.tracker.current?.assignment.includes(nodeOf(state.options.self));
  return since + (assigned ? limits.preferredAfterMs : promiseMs(state));
}

/** Who may take over from a node that leaves: the members in the order of the assignment. */
export function successors(state: State): Incarnation[] {
  const { minimal } = inSyncSets(state);
  const order = state.tracker.current?.assignment ?? [];
  return [...minimal]
    .filter((member) => member !== state.options.self && mayLead(state, member))
    .sort((a, b) => order.indexOf(nodeOf(a)) - order.indexOf(nodeOf(b)));
}

function firstOfAssignment({ tracker, peers, options }: State): Incarnation | undefined {
  const node = tracker.current?.assignment[0];
  if (node === undefined) return undefined;
  return node === nodeOf(options.self) ? options.self : peers.get(node)?.incarnation;
}

const notLeading = 'this node does not lead the shard';
const underWay = ({ to }: Pick<HandOver, 'to'>): string => `leadership is being handed to ${to}`;
const noAnswer = (how = 'no answer in time'): string =>
  `the API server does not answer (${how}); the leader stays`;

/** What stands against giving leadership to a member; undefined: nothing, or that is under way. */
function problemOf(state: State, to: Incarnation): string | undefined {
  const { leadership, tracker, options } = state;
  if (leadership === undefined) return notLeading;
  if (leadership.handOver !== undefined) {
    return leadership.handOver.to === to ? undefined : underWay(leadership.handOver);
  }
  if (tracker.lost !== undefined) return 'the Lease of the shard is lost';
  if (to === options.self) return 'this node leads already';
  return mayLead(state, to) ? undefined : `${to} is not in sync, not connected, or about to end`;
}

/** A confirmed member, connected and not about to leave. */
function mayLead(state: State, to: Incarnation): boolean {
  if (isBroken(state, 'hand-over-outside-set')) return isUp(state, to);
  return inSyncSets(state).minimal.has(to) && isUp(state, to) && !state.leaving.has(to);
}
