/**
 * The leader's side of a batch: hold, send, count, commit (rules 1, 4, 11).
 *
 * One batch is out at a time. It commits when every member of `maximal` has acknowledged it in this epoch
 * and enough copies are in sync for certain; until then it is held, never dropped. What a new leader inherits
 * is replicated again to all of `maximal` first, and commits whatever `minInSyncReplicas` says.
 */

import { assert } from './assert.ts';
import { sendSnapshot, snapshotAnswered } from './catch-up.ts';
import { type Incarnation, nodeOf } from './identity.ts';
import { commitSet, enoughInSync, inSyncSets } from './in-sync.ts';
import type { Input } from './io.ts';
import { limits } from './limits.ts';
import type { Log } from './log.ts';
import type { MessageBody } from './messages.ts';
import { samePosition } from './position.ts';
import {
  emit,
  type InSyncSets,
  isBroken,
  type Leadership,
  type Progress,
  promiseMs,
  type State,
  send,
  type Target,
} from './state.ts';

export type Acknowledgement = Extract<MessageBody, { kind: 'acknowledgement' }>;

/** Whether a batch would be taken: the shell may fill the hidden side. */
export const mayWrite = (state: State, leadership: Leadership): boolean =>
  leadership.handOver === undefined && mayTake(state, leadership);

const mayTake = (state: State, leadership: Leadership): boolean =>
  !mayBeAnothers(state) && enoughInSync(state) && !hasInherited(state, leadership);

/** Whether a compare-and-set that names another leader may be stored. */
export const mayBeAnothers = (state: State): boolean => inSyncSets(state).isAnothers;

export const hasInherited = ({ log }: State, { inheritedTo }: Leadership): boolean =>
  log.applied.sequence < inheritedTo;

/** A batch that was executed before a hand-over began is taken as long as the Lease is not given away. */
export function takeWrite(
  state: State,
  { epoch: executedIn, entries }: Extract<Input, { kind: 'write' }>,
): void {
  const { leadership, log } = state;
  if (leadership?.epoch !== executedIn || !mayTake(state, leadership)) {
    emit(state, { kind: 'roll-back', taken: false });
    return;
  }
  assert(leadership.batchTo === undefined, 'a batch was given while one is out');
  const { epoch } = leadership;
  leadership.batchFrom = log.last.sequence;
  for (const { sequence, content, checksum } of entries) {
    log.append({ epoch, sequence, content, checksum });
  }
  leadership.batchTo = log.last.sequence;
}

/** A follower's word. Of another epoch, or from a stranger, it counts for nothing. */
export function acknowledged(state: State, epoch: number, body: Acknowledgement): void {
  const { leadership } = state;
  if (leadership === undefined || epoch !== leadership.epoch) return;
  const { incarnation } = body;
  const progress = leadership.progress.get(incarnation);
  if (progress !== undefined) count(state, progress, body);
  if (!isBroken(state, 'ack-without-incarnation')) return;
  for (const [one, other] of leadership.progress) {
    if (other !== progress && nodeOf(one) === nodeOf(incarnation)) count(state, other, body);
  }
}

function count(state: State, progress: Progress, body: Acknowledgement): void {
  const { log, nowMs } = state;
  progress.heardMs = nowMs;
  progress.freeBytes = body.freeBytes;
  if (body.problem === 'out-of-memory') {
    // Whoever has no room stays in the set, and what is out waits for it: to drop it would lose the copy.
    const wait = Math.min(limits.resendPromises * 2 ** progress.noMemory, 1);
    progress.noMemory = Math.min(progress.noMemory + 1, 30);
    progress.resendAtMs = nowMs + promiseMs(state) * wait;
    return;
  }
  progress.noMemory = 0;
  if (body.problem !== undefined) {
    state.changed = true;
    snapshotAnswered(state, progress, body);
    return;
  }
  if (body.snapshot?.number !== progress.snapshotBegun) return;
  const held = isBroken(state, 'ack-without-sequence') ? log.last : body.held;
  // What makes it a member, or shows what is wrong with one, is for all rules.
  if (!progress.isMember || progress.held === undefined || progress.snapshot !== undefined) {
    state.changed = true;
  }
  progress.snapshot = undefined;
  if (progress.held === undefined || held.sequence > progress.held) {
    progress.held = held.sequence;
    progress.from = held;
    progress.sentTo = Math.max(progress.sentTo, held.sequence);
  }
  progress.applied = Math.max(progress.applied, body.applied.sequence);
}

/** Commits what is out, if everybody who counts has it. */
export function commit(state: State): void {
  const { leadership, log } = state;
  if (leadership === undefined || !log.hasPending) return;
  const { sequence } = log.last;
  const own = sequence > leadership.inheritedTo;
  if (!isHeldByAll(state, leadership, sequence)) return;
  if (own && !enoughInSync(state) && !isBroken(state, 'minimum-at-start-only')) return;
  const entries = log.apply(sequence);
  leadership.batchTo = undefined;
  if (!own || leadership.handOver !== undefined) state.changed = true;
  if (leadership.almostAlone && !leadership.alone) state.changed = true;
  if (own) emit(state, { kind: 'commit', sequence });
  else emit(state, { kind: 'apply', entries });
  leadership.commitDueMs ??= commitDueMs(state.nowMs);
}

/** The same moment for all shards of a node, so that they share a frame: half of the longest wait at least. */
function commitDueMs(nowMs: number): number {
  const stepMs = limits.commitHeldMs / 2;
  return (Math.floor(nowMs / stepMs) + 2) * stepMs;
}

/**
 * Tells who holds it that the last batch is committed, unless the next one has brought the word or still may.
 * A hand-over does not wait: what the successor has not heard of it must replicate again before it serves.
 */
function tellCommitted(state: State, leadership: Leadership, dueMs: number): void {
  const isDue = state.nowMs >= dueMs || leadership.handOver !== undefined;
  const committed = state.log.applied.sequence;
  let waiting = false;
  for (const { to, progress } of leadership.targets) {
    if (progress.held !== committed || progress.committedTold >= committed) continue;
    waiting = true;
    if (!isDue) break;
    progress.committedTold = committed;
    send(state, to, leadership, { kind: 'commit', committed });
  }
  if (isDue || !waiting) leadership.commitDueMs = undefined;
}

function isHeldByAll(state: State, leadership: Leadership, sequence: number): boolean {
  if (state.options.replication.broken !== undefined) {
    return isHeldByBrokenRules(state, leadership, sequence);
  }
  const sets = inSyncSets(state);
  for (const member of membersOf(state, leadership, sets)) {
    if (member?.held === undefined || member.held < sequence) return false;
  }
  return sets.maximal.size > 0;
}

/** What is known of everybody else who may be in the set: looked up once, for it is asked with every acknowledgement. */
function membersOf(
  { options }: State,
  leadership: Leadership,
  of: InSyncSets,
): readonly (Progress | undefined)[] {
  if (leadership.members?.of !== of) {
    const others = [...of.maximal].filter((member) => member !== options.self);
    leadership.members = { of, progress: others.map((one) => leadership.progress.get(one)) };
  }
  return leadership.members.progress;
}

function isHeldByBrokenRules(state: State, { progress }: Leadership, sequence: number): boolean {
  const needed = commitSet(state);
  let holding = 0;
  for (const member of needed) {
    const held = member === state.options.self ? sequence : progress.get(member)?.held;
    if (held !== undefined && held >= sequence) holding++;
  }
  if (isBroken(state, 'commit-by-majority')) return holding * 2 > needed.size;
  return holding === needed.size;
}

/** Sends each replica what it lacks, and again what it did not answer. */
export function replicate(state: State): void {
  const { leadership } = state;
  if (leadership === undefined) return;
  let before: EntriesBody | undefined;
  const { nowMs, log } = state;
  for (const { to, progress } of leadership.targets) {
    if (nowMs < progress.resendAtMs && standsAtEnd(log, progress)) continue;
    if (!isWanting(state, progress)) continue;
    const reached = progress.from === undefined || log.reaches(progress.from);
    // Each has its own time: a cut is large, and entries come with every batch.
    if (nowMs >= (progress.snapshot?.resendAtMs ?? (reached ? Number.POSITIVE_INFINITY : nowMs))) {
      sendSnapshot(state, { to, progress, leadership, member: inSyncSets(state).maximal.has(to) });
    }
    if (!reached || (nowMs < progress.resendAtMs && !isNew(state, progress))) continue;
    progress.resendAtMs = nowMs + promiseMs(state) * limits.resendPromises;
    before = sendEntries(state, leadership, { to, progress, before });
  }
  if (leadership.commitDueMs !== undefined) {
    tellCommitted(state, leadership, leadership.commitDueMs);
  }
}

type EntriesBody = Extract<MessageBody, { kind: 'entries' }>;

/** Followers that are equally far get the same object: a shell need encode it only once. */
function sendEntries(
  state: State,
  leadership: Leadership,
  given: Target & { readonly before: EntriesBody | undefined },
): EntriesBody {
  const { log } = state;
  const { to, progress, before } = given;
  const previous = progress.from ?? log.applied;
  const committed = log.applied.sequence;
  const body =
    before !== undefined && samePosition(before.previous, previous)
      ? before
      : ({ kind: 'entries', previous, entries: log.after(previous), committed } as const);
  progress.sentTo = previous.sequence + body.entries.length;
  progress.committedTold = committed;
  send(state, to, leadership, body);
  return body;
}

/** Whether this replica lacks anything, as far as is known. */
export function isWanting({ log }: State, progress: Progress): boolean {
  if (progress.held === undefined || progress.snapshot !== undefined) return true;
  return progress.held < log.last.sequence || progress.applied < log.applied.sequence;
}

/** As nearly always: it holds all that there is, and nothing else is under way to it. */
const standsAtEnd = (log: Log, { from, snapshot }: Progress): boolean =>
  from !== undefined && snapshot === undefined && samePosition(from, log.last);

/** Whether there are entries to send, and none out: one message at a time for each replica. */
function isNew({ log }: State, { from, sentTo }: Progress): boolean {
  if (sentTo < 0) return true;
  return from !== undefined && sentTo <= from.sequence && sentTo < log.last.sequence;
}

/** Finds who is to be kept up to date, after anything but the log changed. */
export function findTargets(state: State): void {
  const { leadership } = state;
  if (leadership === undefined) return;
  leadership.members = undefined;
  const wanted = wantedTargets(state, leadership);
  const { maximal } = inSyncSets(state);
  const targets: Target[] = [];
  for (const [to, progress] of leadership.progress) {
    progress.isMember = maximal.has(to);
    if (wanted.has(to) && isUp(state, to)) targets.push({ to, progress });
  }
  leadership.targets = targets;
}

/** Who is kept up to date: nodes of the assignment, and whoever may be in the set. */
function wantedTargets(state: State, leadership: Leadership): Set<Incarnation> {
  const { tracker, options, peers, nowMs } = state;
  const targets = new Set(inSyncSets(state).maximal);
  for (const node of tracker.lastKnown?.assignment ?? []) {
    const peer = peers.get(node);
    if (peer !== undefined) targets.add(peer.incarnation);
  }
  targets.delete(options.self);
  for (const one of targets) {
    if (leadership.progress.has(one)) continue;
    leadership.progress.set(one, {
      isMember: false,
      held: undefined,
      applied: 0,
      committedTold: 0,
      from: undefined,
      sentTo: -1,
      resendAtMs: nowMs,
      heardMs: nowMs,
      promisedUntilMs: 0,
      freeBytes: undefined,
      noMemory: 0,
      snapshot: undefined,
      snapshotBegun: undefined,
    });
  }
  // What a replica said counts as long as its process lives, though it may leave the assignment for a while.
  for (const one of leadership.progress.keys()) {
    const newest = peers.get(nodeOf(one))?.incarnation;
    if (!targets.has(one) && newest !== one) leadership.progress.delete(one);
  }
  return targets;
}

export const isUp = ({ peers }: State, to: Incarnation): boolean => {
  const peer = peers.get(nodeOf(to));
  return peer?.incarnation === to && peer.state === 'up';
};
