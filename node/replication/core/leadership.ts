/**
 * Beginning and ending to lead (rules 11, 13). Both follow the Lease; neither asks the store.
 *
 * A leadership ends on any higher epoch, on a Lease that names somebody else or nobody, on a newer
 * generation. It does not end when the Lease is lost or the store is away: then nobody else can
 * have begun, as an epoch begins only in the Lease.
 */

import { endAlone } from './alone.ts';
import { keepFreshness } from './freshness.ts';
import { awaitSuccessor, refuseAsked, tellSuccessor } from './hand-over.ts';
import type { LeadCause, StepDownReason } from './io.ts';
import type { CurrentLease } from './lease.ts';
import { emit, holdsCopy, isBroken, type Leadership, type State, tell } from './state.ts';
import { isSomebodyToCome } from './staying.ts';

export function followLease(state: State): void {
  const lease = state.tracker.current;
  if (lease === undefined) return;
  if (state.leadership !== undefined) {
    const reason = endOf(state.leadership, lease, state);
    if (reason !== undefined) stepDown(state, state.leadership, reason);
  }
  tellSuccessor(state, lease);
  if (state.following !== undefined && lease.epoch > state.following.epoch) {
    state.following = undefined;
  }
  if (state.epochSinceMs?.epoch !== lease.epoch) {
    state.epochSinceMs = { epoch: lease.epoch, sinceMs: state.nowMs };
  }
  if (state.leadership === undefined && namesUs(state, lease)) takeOver(state, lease);
}

export function stepDown(state: State, leadership: Leadership, reason: StepDownReason): void {
  refuseAsked(state, 'this node does not lead any more');
  state.leadership = undefined;
  state.following = undefined;
  state.changed = true;
  tell(state, { kind: 'stepped-down', epoch: leadership.epoch, reason });
  // At once: an answer to the new leader, sent in this very step, may let it commit.
  keepFreshness(state);
  state.leftEpoch = leadership.epoch;
  const hasSuccessor = reason === 'HigherEpoch';
  state.successorAwaited = hasSuccessor ? awaitSuccessor(state) : undefined;
  // Whether it is awaited at all, the end of this step says.
  state.serving = { role: hasSuccessor ? 'starting' : 'elsewhere' };
  emit(state, { kind: 'publish', serving: state.serving });
  if (leadership.alone) endAlone(state, leadership);
  // The batch stays in the log as pending: the next leader may have it, and commit it.
  if (leadership.batchTo !== undefined) emit(state, { kind: 'roll-back', taken: true });
}

function endOf(
  leadership: Leadership,
  lease: CurrentLease,
  state: State,
): StepDownReason | undefined {
  if (lease.generation > leadership.generation) return 'NewGeneration';
  if (lease.epoch > leadership.epoch) return 'HigherEpoch';
  if (lease.leader !== state.options.self) return 'OtherLeader';
  return undefined;
}

/** Whether the Lease makes this incarnation the leader of an epoch that it has not led yet. */
function namesUs(state: State, lease: CurrentLease): boolean {
  if (lease.leader !== state.options.self) return false;
  // Leadership came when it was about to go. It is handed on, if there is anybody.
  if (state.stopping && !isSomebodyToCome(state)) return false;
  // Another has begun to lead a later epoch: this Lease is old.
  if (lease.epoch < state.heardEpoch) return false;
  return state.leftEpoch === undefined || lease.epoch > state.leftEpoch;
}

function takeOver(state: State, lease: CurrentLease): void {
  if (!holdsCopy(state, lease.generation) || !state.complete) {
    // Rule 14: a new incarnation is empty. To lead without the data would be to lose it in silence.
    if (state.refusalTold !== lease.version) {
      state.refusalTold = lease.version;
      state.tracker.ignore(
        `the Lease names ${state.options.self} as leader of generation ${lease.generation}, of which it holds no copy`,
      );
    }
    return;
  }
  const { log } = state;
  if (isBroken(state, 'take-over-drops-pending')) log.dropPending();
  if (isBroken(state, 'take-over-trusts-pending')) {
    const entries = log.apply(log.last.sequence);
    if (entries.length > 0) emit(state, { kind: 'apply', entries });
  }
  state.following = undefined;
  state.leadership = {
    epoch: lease.epoch,
    generation: lease.generation,
    sinceMs: state.nowMs,
    inheritedTo: log.last.sequence,
    progress: new Map(),
    members: undefined,
    targets: [],
    alone: false,
    almostAlone: false,
    batchTo: undefined,
    commitDueMs: undefined,
    batchFrom: log.applied.sequence,
    handOver: undefined,
    handOverAsked: undefined,
    preferred: undefined,
  };
  state.data = { kind: 'present', generation: lease.generation, used: true };
  state.campaignAsked = undefined;
  state.writes.succeeded();
  const cause = causeOf(state, lease);
  tell(state, { kind: 'leading', epoch: lease.epoch, generation: lease.generation, cause });
  if (cause === 'Restart') {
    tell(state, { kind: 'total-loss', generation: lease.generation, action: 'reset' });
  }
}

function causeOf(state: State, lease: CurrentLease): LeadCause {
  const attempt = state.attempt;
  const ours = attempt?.epoch === lease.epoch && attempt.leader === lease.leader;
  const cause = ours ? attempt.cause : undefined;
  return cause === 'Free' || cause === 'Campaign' || cause === 'Restart' ? cause : 'TakeOver';
}
