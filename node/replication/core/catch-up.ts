/**
 * Bringing a replica up to date that the log no longer reaches: a snapshot, cut by cut.
 *
 * The core counts and paces; the shell cuts the committed side (`take-cut`) and installs
 * (`install-cut`). One cut is out at a time for each replica. Entries travel beside the cuts, from the
 * position at which the snapshot began; a record's version tells which of the two is newer.
 * A new connection begins it again, as parts of it may have gone with the old one.
 * A member of the in-sync set gets none: it would have to drop its copy. It is removed first.
 */

import type { Incarnation } from './identity.ts';
import type { Input } from './io.ts';
import { limits } from './limits.ts';
import type { MessageBody } from './messages.ts';
import {
  emit,
  type Leadership,
  type Progress,
  promiseMs,
  type SendingSnapshot,
  type State,
  send,
} from './state.ts';

export const notBegun: SendingSnapshot = {
  number: undefined,
  cuts: 0,
  out: undefined,
  ended: false,
  resendAtMs: Number.NEGATIVE_INFINITY,
};

/** Begins a snapshot, or sends again the part that is out. */
export function sendSnapshot(
  state: State,
  given: {
    readonly to: Incarnation;
    readonly progress: Progress;
    readonly leadership: Leadership;
    readonly member: boolean;
  },
): void {
  const { to, progress, leadership, member } = given;
  if (member) {
    // It is to be removed first, which is for all rules.
    if (progress.snapshot === undefined) state.changed = true;
    progress.snapshot ??= notBegun;
    return;
  }
  if (progress.snapshot?.number === undefined || progress.from === undefined) {
    beginSnapshot(state, progress);
  } else if (!state.log.reaches(progress.from)) {
    // The log left the snapshot behind: entries between are lost to it.
    beginSnapshot(state, progress);
  }
  const { snapshot } = progress;
  if (snapshot === undefined) return;
  const resendAtMs = state.nowMs + promiseMs(state) * limits.resendCutPromises;
  const { number, out } = snapshot;
  if (out !== undefined) send(state, to, leadership, out);
  // Sessions change with every entry: when the end is to be sent again, it is asked for again.
  const ended = out?.kind === 'snapshot-end';
  progress.snapshot = { ...snapshot, resendAtMs, ended, out: ended ? undefined : out };
  if (snapshot.ended && out === undefined && number !== undefined) askForCut(state, to, number);
}

/** The shell cut the next part. */
export function cutTaken(state: State, input: Extract<Input, { kind: 'cut' }>): void {
  const { leadership, nowMs } = state;
  const progress = leadership?.progress.get(input.to);
  const sending = progress?.snapshot;
  if (leadership === undefined || progress === undefined || sending === undefined) return;
  if (sending.number !== input.snapshot || sending.out !== undefined) return;
  const snapshot = input.snapshot;
  const index = sending.cuts;
  const out: MessageBody =
    input.cut === undefined
      ? { kind: 'snapshot-end', snapshot, cuts: index, sessions: input.sessions ?? noBytes }
      : { kind: 'snapshot-cut', snapshot, index, cut: input.cut };
  progress.snapshot = { ...sending, out, resendAtMs: nowMs };
}

/** A replica can't take entries yet: it lacks what comes before, or its snapshot is not complete. */
export function snapshotAnswered(
  state: State,
  progress: Progress,
  body: Extract<MessageBody, { kind: 'acknowledgement' }>,
): void {
  const { log, nowMs } = state;
  // What it held in this epoch it holds, unless a snapshot began since: this word is an old one.
  if (progress.held !== undefined) return;
  const sending = progress.snapshot;
  if (sending?.number === undefined) {
    const known = progress.from !== undefined && sending === undefined;
    if (known && progress.from?.sequence === body.applied.sequence && log.reaches(body.applied)) {
      return; // Told before; the entries are on their way.
    }
    progress.from = body.applied;
    if (!log.reaches(body.applied)) progress.snapshot ??= notBegun;
    progress.sentTo = -1;
    progress.resendAtMs = nowMs;
    return;
  }
  if (body.snapshot?.number !== sending.number) return;
  if (progress.from !== undefined && body.held.sequence > progress.from.sequence) {
    progress.from = body.held;
    progress.sentTo = Math.max(progress.sentTo, body.held.sequence);
  }
  const begun = sending.out?.kind === 'snapshot-begin';
  if (body.snapshot.cuts < sending.cuts + (begun ? 0 : 1)) return;
  if (sending.out === undefined) return;
  progress.snapshot = { ...sending, cuts: body.snapshot.cuts, out: undefined };
  askForCut(state, body.incarnation, sending.number);
}

const noBytes = new Uint8Array();

function beginSnapshot(state: State, progress: Progress): void {
  const number = ++state.snapshots;
  const from = state.log.applied;
  progress.snapshotBegun = number;
  progress.held = undefined;
  progress.from = from;
  progress.sentTo = from.sequence;
  const out: MessageBody = { kind: 'snapshot-begin', snapshot: number, from };
  progress.snapshot = { number, cuts: 0, out, ended: false, resendAtMs: state.nowMs };
}

function askForCut(state: State, to: Incarnation, snapshot: number): void {
  emit(state, { kind: 'take-cut', to, snapshot });
}
