/**
 * The follower's side (rule 7): adopt the log of the newest epoch, hold apart what is not known to be
 * committed, apply what is.
 *
 * Entries are taken only if the one before them is held with the same origin epoch; then all up to it is the
 * leader's (the log is *reconciled* up to there, in this epoch). A commit index is applied only that far.
 */

import { assert } from './assert.ts';
import { provide } from './data.ts';
import { unknown } from './freshness.ts';
import type { Epoch, Incarnation } from './identity.ts';
import type { Input } from './io.ts';
import { stepDown } from './leadership.ts';
import type { MessageBody } from './messages.ts';
import { type LogEntry, start } from './position.ts';
import { acknowledged } from './replicate.ts';
import { emit, epochSeen, type Following, holdsCopy, isBroken, type State, send } from './state.ts';

type Told = Extract<Input, { kind: 'message' }>;

export function receive(state: State, told: Told): void {
  const { from, message } = told;
  const { epoch, generation, body } = message;
  if (body.kind === 'hand-over') {
    state.tracker.observed(body.lease);
    state.changed = true;
    return;
  }
  const known = state.tracker.lastKnown;
  if (known === undefined || known.generation !== generation) return;
  if (body.kind === 'refusal' || epoch > epochSeen(state)) hear(state, epoch);
  if (body.kind === 'acknowledgement') {
    acknowledged(state, epoch, body);
    return;
  }
  if (body.kind === 'refusal') return;
  if (epoch < epochSeen(state) && !isBroken(state, 'old-epoch-accepted')) {
    send(state, from, { epoch: epochSeen(state), generation }, { kind: 'refusal' });
    return;
  }
  if (state.leadership !== undefined) {
    assert(epoch !== state.leadership.epoch, `${from} leads epoch ${epoch} as well`);
    return;
  }
  if (state.stopping && !holdsCopy(state, generation)) return;
  if (!provide(state, generation)) {
    state.changed = true;
    return;
  }
  follow(state, told);
}

/** A higher epoch ends a leadership, whoever tells of it (rule 13). */
export function hear(state: State, epoch: Epoch): void {
  const { leadership } = state;
  if (epoch > state.heardEpoch) {
    state.heardEpoch = epoch;
    state.changed = true;
  }
  if (leadership !== undefined && epoch > leadership.epoch) {
    stepDown(state, leadership, 'HigherEpoch');
  }
}

function follow(state: State, told: Told): void {
  const { from, message, noMemory } = told;
  const { epoch, generation, body } = message;
  const following = followingOf(state, from, epoch);
  if (state.data.kind !== 'present' || !state.data.used) {
    state.data = { kind: 'present', generation, used: true };
    state.changed = true;
  }
  let full = false;
  switch (body.kind) {
    case 'entries':
      full = noMemory === true && !holdsAll(state, body.entries);
      takeEntries(state, following, full ? { ...body, entries: [] } : body);
      break;
    case 'commit':
      following.committed = Math.max(following.committed, body.committed);
      applyCommitted(state, following);
      return;
    case 'snapshot-begin':
      beginSnapshot(state, following, body);
      break;
    case 'snapshot-cut':
      if (following.snapshot?.number === body.snapshot && following.snapshot.cuts === body.index) {
        full = noMemory === true;
        if (full) break;
        following.snapshot = { ...following.snapshot, cuts: body.index + 1 };
        emit(state, { kind: 'install-cut', cut: body.cut });
      }
      break;
    case 'snapshot-end':
      if (following.snapshot?.number === body.snapshot && following.snapshot.cuts === body.cuts) {
        // Once: when it comes again, entries after it are in the table already.
        if (!state.complete) {
          emit(state, { kind: 'end-snapshot', sessions: body.sessions });
        }
        state.complete = true;
        state.changed = true;
      }
      break;
  }
  acknowledge(state, following, told, full);
}

function followingOf(state: State, leader: Incarnation, epoch: Epoch): Following {
  const before = state.following;
  if (before !== undefined && before.epoch === epoch) return before;
  if (!state.complete) {
    // Half a snapshot of another leader is worth nothing.
    state.log.reset(start);
    state.fresh = unknown();
    emit(state, { kind: 'begin-snapshot', from: start });
    state.complete = true;
  }
  const following: Following = {
    epoch,
    leader,
    reconciledTo: undefined,
    committed: 0,
    snapshot: undefined,
  };
  state.following = following;
  state.changed = true;
  return following;
}

/** What comes again needs no more room. */
function holdsAll({ log }: State, entries: readonly LogEntry[]): boolean {
  const last = entries.at(-1);
  return last === undefined || log.holds(last);
}

function takeEntries(
  state: State,
  following: Following,
  { previous, entries, committed }: Extract<MessageBody, { kind: 'entries' }>,
): void {
  if (state.log.holds(previous)) {
    state.log.merge(entries);
    const to = previous.sequence + entries.length;
    following.reconciledTo = Math.max(following.reconciledTo ?? 0, to);
  }
  following.committed = Math.max(following.committed, committed);
  applyCommitted(state, following);
}

function beginSnapshot(
  state: State,
  following: Following,
  { snapshot, from }: Extract<MessageBody, { kind: 'snapshot-begin' }>,
): void {
  if (following.snapshot !== undefined && following.snapshot.number >= snapshot) return;
  following.snapshot = { number: snapshot, cuts: 0 };
  state.complete = false;
  state.fresh = unknown();
  state.changed = true;
  state.log.reset(from);
  following.reconciledTo = from.sequence;
  emit(state, { kind: 'begin-snapshot', from });
}

function applyCommitted(state: State, { committed, reconciledTo }: Following): void {
  const { log } = state;
  const known = isBroken(state, 'commit-unreconciled') ? log.last.sequence : (reconciledTo ?? 0);
  const entries = log.apply(Math.min(committed, known));
  if (entries.length > 0) emit(state, { kind: 'apply', entries });
}

function acknowledge(
  state: State,
  { reconciledTo, snapshot }: Following,
  { from: to, message: asked }: Told,
  full: boolean,
): void {
  const { log, complete, options } = state;
  const { applied } = log;
  const acknowledgement = {
    kind: 'acknowledgement',
    incarnation: options.self,
    held:
      reconciledTo === undefined || reconciledTo <= applied.sequence
        ? applied
        : log.at(reconciledTo),
    applied,
  } as const;
  // As nearly always.
  const good = reconciledTo !== undefined && complete;
  if (good && !full && snapshot === undefined) {
    send(state, to, asked, acknowledgement);
    return;
  }
  const problem = full ? 'out-of-memory' : 'gap';
  send(state, to, asked, {
    ...acknowledgement,
    ...(good && !full ? {} : { problem }),
    ...(snapshot === undefined ? {} : { snapshot }),
  });
}
