/**
 * The replica of one shard on one node: a pure state machine. No clock, no I/O, no randomness but from
 * its seed; the same inputs give the same effects, in a node and in a simulation.
 *
 * ## Contract
 *
 * The shell calls `step(input, nowMs)` for everything that happens, in the order in which it happens,
 * and carries out the effects in the order in which they come, before the next `step`. `nowMs` is
 * monotonic. When `wakeAtMs` comes, it steps with `tick`. Every `read-lease` and `write-lease` is
 * answered exactly once, by number; every `create-data` and `drop-data` once. A shell that can't
 * tell what became of a write answers `unresolved`, never `refused`.
 *
 * In return the core promises:
 *
 * 1. It leads an epoch only if the Lease named its incarnation in it, and never again once it left.
 *    As an epoch begins by one compare-and-set, an epoch has at most one leader. (tracker, leadership)
 * 2. `publish` of anything but `leader` comes before every effect that could let another lead:
 *    before the Lease is released, before the copy is dropped.
 * 3. It leads only with a copy of the Lease's generation that it made or kept itself. A new incarnation
 *    never claims what an earlier one held: it starts the next generation, empty, or waits. (loss, data)
 * 4. A compare-and-set of unknown fate is not forgotten: until it is resolved, its effect is reckoned
 *    with, and something is written on the same version to settle it. (tracker)
 * 5. While the store is away or the Lease is lost, a leader goes on serving and writes nothing. (tracker)
 * 6. What contradicts itself, or went back, is told and not followed. (lease, tracker)
 *
 * ## How it is built
 *
 * Each input changes what is known; then `#advance` looks at the whole state and does what follows from it
 * ("level-based"): it doesn't matter by which input something became known. Rules that write are functions
 * of the state that return an `Intent`; the first one that wants something gets the one request that may
 * be out. Each file of this folder holds one concern, with its rules at its top.
 */

import { Backoff, seededRandom } from './backoff.ts';
import { dropUnneeded, provide } from './data.ts';
import { campaign, takeFreeLease } from './election.ts';
import { inSyncSets, shrink } from './in-sync.ts';
import type { CoreServing, Effect, Input } from './io.ts';
import { followLease } from './leadership.ts';
import { noEdit } from './lease.ts';
import { limits } from './limits.ts';
import { startNextGeneration } from './loss.ts';
import { beginShutdown, countForbidden, finishShutdown, isIdle, release } from './shutdown.ts';
import { type CoreOptions, type Intent, type State, tell } from './state.ts';
import { LeaseTracker } from './tracker.ts';

export class ShardCore {
  readonly #state: State;

  constructor(options: CoreOptions) {
    const effects: Effect[] = [];
    const random = seededRandom(options.seed);
    this.#state = {
      options,
      effects,
      tracker: new LeaseTracker((effect) => effects.push(effect)),
      reads: new Backoff(random),
      writes: new Backoff(random),
      nowMs: Number.NEGATIVE_INFINITY,
      totalLoss: options.totalLoss,
      leadership: undefined,
      leftEpoch: undefined,
      data: { kind: 'absent' },
      serving: { role: 'elsewhere' },
      attempt: undefined,
      campaignSince: undefined,
      recheckAtMs: undefined,
      lossTold: undefined,
      refusalTold: undefined,
      stopping: false,
      forbidden: 0,
      stopped: false,
    };
  }

  /** What the shell must do now. Throws InvariantError when the shell breaks the contract. */
  step(input: Input, nowMs: number): readonly Effect[] {
    const state = this.#state;
    state.nowMs = Math.max(nowMs, state.nowMs);
    take(state, input);
    advance(state);
    return state.effects.splice(0);
  }

  /** When to step with `tick`; undefined: only other inputs matter. */
  get wakeAtMs(): number | undefined {
    const { tracker, reads, writes, nowMs, stopped, recheckAtMs } = this.#state;
    if (stopped || tracker.busy) return undefined;
    const due = [reads.dueMs, writes.dueMs, recheckAtMs ?? nowMs].filter((dueMs) => dueMs > nowMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** What the control block says. */
  get serving(): CoreServing {
    return this.#state.serving;
  }

  get stopped(): boolean {
    return this.#state.stopped;
  }

  /** Read-only view for statistics and for the operator's questions while a Lease is lost. */
  get known(): Pick<LeaseTracker, 'lastKnown' | 'lost' | 'epochSeen' | 'hasUnresolved'> {
    return this.#state.tracker;
  }
}

function take(state: State, input: Input): void {
  const { tracker, reads, writes, nowMs } = state;
  countForbidden(state, input);
  switch (input.kind) {
    case 'observed':
      tracker.observed(input.lease);
      break;
    case 'deleted':
      tracker.deleted(input.uid);
      break;
    case 'unreadable':
      tracker.ignore(input.message);
      break;
    case 'read':
      if (tracker.readAnswered(input.request, input.lease)) reads.succeeded();
      else reads.failed(nowMs);
      break;
    case 'read-failed':
      tracker.readFailed(input.request);
      reads.failed(nowMs);
      tell(state, { kind: 'store-trouble', message: input.message });
      break;
    case 'won':
      tracker.won(input.request, input.lease);
      writes.succeeded();
      break;
    case 'refused':
      tracker.refused(input.request, input.reason === 'NotFound');
      writes.failed(nowMs);
      tell(state, { kind: 'store-trouble', message: `${input.reason}: ${input.message}` });
      break;
    case 'unresolved':
      tracker.unresolved(input.request);
      writes.failed(nowMs);
      tell(state, { kind: 'store-trouble', message: input.message });
      break;
    case 'data-created':
      if (state.data.kind === 'creating') {
        state.data = { kind: 'present', generation: state.data.generation, used: false };
      }
      break;
    case 'data-refused':
      state.data = { kind: 'absent' };
      writes.failed(nowMs);
      tell(state, { kind: 'data-refused', message: input.message });
      break;
    case 'data-dropped':
      state.data = { kind: 'absent' };
      break;
    case 'tick':
      break;
    case 'policy':
      state.totalLoss = input.totalLoss;
      break;
    case 'shutdown':
      beginShutdown(state);
      break;
  }
}

function advance(state: State): void {
  if (state.stopped) return;
  followLease(state);
  const intent = decide(state);
  publish(state);
  dropUnneeded(state, intent);
  request(state, intent);
  publish(state);
}

/** The first rule that wants something written. The order is that of their urgency. */
function decide(state: State): Intent | undefined {
  return (
    release(state) ??
    startNextGeneration(state) ??
    takeFreeLease(state) ??
    campaign(state) ??
    shrink(state) ??
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
    else recheck(state);
    return;
  }
  if (intent.data !== undefined && !provide(state, intent.data)) return;
  if (writes.dueMs > nowMs) return;
  const { confirmedAfter } = intent;
  if (confirmedAfter !== undefined && tracker.confirmedBy <= confirmedAfter) {
    readIfDue(state);
    return;
  }
  state.attempt = intent.edit;
  state.effects.push(tracker.write(intent.base, intent.edit));
}

/** Looks again for a Lease that no watch has told, until one does. */
function recheck(state: State): void {
  const { tracker, nowMs } = state;
  if (!tracker.unwatched) {
    state.recheckAtMs = undefined;
  } else if (state.recheckAtMs === undefined) {
    state.recheckAtMs = nowMs + limits.recheckMs;
  } else if (state.recheckAtMs <= nowMs) {
    state.recheckAtMs = undefined;
    readIfDue(state);
  }
}

function readIfDue({ tracker, reads, effects, nowMs }: State): void {
  if (reads.dueMs <= nowMs) effects.push(tracker.read());
}

/** Brings the control block up to date with the state. */
function publish(state: State): void {
  const wanted = servingOf(state);
  const told = state.serving;
  const same =
    told.role === wanted.role &&
    (told.role !== 'leader' ||
      (wanted.role === 'leader' &&
        told.epoch === wanted.epoch &&
        told.readUntilMs === wanted.readUntilMs &&
        told.writable === wanted.writable));
  if (same) return;
  state.serving = wanted;
  state.effects.push({ kind: 'publish', serving: wanted });
}

function servingOf(state: State): CoreServing {
  const { leadership, tracker, options } = state;
  if (leadership !== undefined) {
    // Alone in the set for certain, nobody else could be read, and a batch commits at once. Else another may
    // hold what this one lacks, or be asked for what it has not got: nothing is served until that is settled.
    const { epoch, generation } = leadership;
    const { maximal, minimal } = inSyncSets(state);
    const alone = maximal.size === 1 && minimal.has(options.self);
    const readUntilMs = alone ? Number.POSITIVE_INFINITY : 0;
    return { role: 'leader', epoch, generation, readUntilMs, writable: alone };
  }
  const taking = !state.stopping && tracker.writing?.leader === options.self;
  return { role: taking ? 'starting' : 'elsewhere' };
}
