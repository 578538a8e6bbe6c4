/**
 * The replica of one shard on one node: a pure state machine. No clock, no I/O, no randomness but from
 * its seed; the same inputs give the same effects, in a node and in a simulation.
 *
 * ## Contract
 *
 * The shell calls `step(input, nowMs)` for everything that happens, in the order in which it happens,
 * and carries out the effects in the order in which they come, before the next `step`. `nowMs` is
 * monotonic. When `wakeAtMs` comes, it steps with `tick`. Every `read-lease` and `write-lease` is
 * answered exactly once, by number; every `create-data`, `drop-data` and `stop-writes` once. A shell that can't
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
 * 7. `commit` and `apply` tell only what every member of the in-sync set holds, whatever of that set is in doubt;
 *    each entry once, in order, the same at every replica. (replicate, follower, log)
 * 8. `readUntilMs` is covered by unexpired promises of all others who may be in the set. (promises, reads)
 *
 * ## What a shell of several copies does besides
 *
 * - **Batches.** While `writable`, and none is out, it executes commands on the hidden side and gives the batch as
 *   `write`, numbered on from `positions.last`, with the epoch in which it executed them. Then the hidden side is frozen until
 *   `commit` (swap, reply, replay) or `roll-back` comes; a `write` meanwhile is a bug. Of a batch rolled back with
 *   `taken`, nobody knows the outcome: another leader may commit it, and it then comes back as `apply`. What is
 *   gathered and not given yet when a leadership ends, the shell rolls back by itself.
 * - **Hand-over.** After `publish` of `writable: false` comes `stop-writes`: the shell gives what was executed before as
 *   `write`, as soon as none is out, and then answers `writes-stopped`, also where a leadership ended meanwhile.
 *   Only then is the Lease given away, so no client hears of a write that was executed and not taken. A leader that has
 *   left publishes `starting` until its successor has spoken: commands wait, and then go to `otherLeader`, which the shell
 *   must have told before it publishes `elsewhere`. (successor)
 * - **Memory.** A `message` whose entries or cut this node could not apply comes with `noMemory`: it is not taken, and the
 *   leader sends it again. The shell puts its free bytes into each acknowledgement that it sends; a leader refuses
 *   writes, or evicts, by the smaller of its own and `freeBytesMin`: what is out when a member is full waits for it.
 * - **Alone.** While `serving.alone`, nobody else holds a copy or is about to: the engine commits by itself and tells
 *   nothing. Before the `publish` of `alone: false` is done, all that it began so must be committed; from then on it
 *   gathers. What was gathered when `alone: true` comes, it commits at once. (alone)
 * - **Settings.** `settings` holds from the next step on; `PeerHeartbeats.promiseMs` is set with it. A shorter promise counts for
 *   heartbeats sent from now on; members are given the old length of silence once more, as those before were sent
 *   at the old pace. What was promised stays promised.
 * - **Messages.** `send` names an incarnation: one that is not connected gets nothing, and the core sends again.
 *   They may be lost, doubled, late. A `hand-over` is told as `observed`, with the stored Lease behind it.
 * - **Connections.** `peer` tells the newest incarnation of each node, `refused` only where its process has
 *   certainly ended or does not listen; `leave` what a peer that shuts down asks. While this node shuts down,
 *   it sends Leave to all peers, again and again, until `stopped` is told or its grace ends.
 * - **Promises.** One `LedTable` for the cores, one `PeerHeartbeats` for each connection (heartbeats.ts). After each
 *   step `leading` goes into the table; `beat` is sent when `dueMs` comes; each row of a peer's heartbeat
 *   is put to `promise`, each promise and refusal in an answer comes back as `promised`, `promise-refused`.
 *   `promise` moves `wakeAtMs`. A host that was suspended may find its clock where it was: `suspended`, before anything
 *   else is told, and new connections, since answers to heartbeats from before give nothing.
 * - **Reads of any replica.** `beat` asks each core `committedIfHeld`; each row of `freshness` of a peer's heartbeat is put to
 *   `freshIf`; `freshAsOfMs` bounds how old the data may be. (freshness)
 * - **Reads.** Load the leadership counter (it changes with each `publish` of another role or epoch), take the value,
 *   compare the clock with `readUntilMs`, load the counter again.
 * - **Sessions.** One `Sessions` for each shard (sessions.ts): `seal` makes the content of an entry, `committed` and `rolledBack`
 *   follow `commit` and `roll-back`, `apply` gives back the engine's part of an entry to apply; `clear` with `create-data` and
 *   `begin-snapshot`, `replace` with `end-snapshot`, `lead` and `dropGathered` as leaderships begin and end.
 * - **Snapshots.** `take-cut` is answered once with `cut`, in pieces of bounded size; undefined at the end, and whenever asked
 *   after it, with the sessions of that moment. A cut is of the
 *   committed side when it is taken. Entries are applied between cuts, also such that a cut holds already:
 *   an effect or a record older than what the copy has of that key (by version) changes nothing.
 *
 * ## How it is built
 *
 * Each input changes what is known; then `advance` looks at the whole state and does what follows from it
 * ("level-based"): it doesn't matter by which input something became known. What comes with every batch touches
 * few rules, and only those are looked at then (advance.ts; `core.bench.ts` measures). Rules that write are functions
 * of the state that return an `Intent`; the first one that wants something gets the one request that may
 * be out. Each file of this folder holds one concern, with its rules at its top.
 */

import { advance } from './advance.ts';
import { assert } from './assert.ts';
import { Backoff, seededRandom } from './backoff.ts';
import { cutTaken, notBegun } from './catch-up.ts';
import { hear, receive } from './follower.ts';
import { committedIfHeld, freshAsOfMs, takeFreshness, unknown } from './freshness.ts';
import { askHandOver, readFailedOfAsked } from './hand-over.ts';
import type { Freshness, Refused } from './heartbeats.ts';
import { type Epoch, epoch, type Generation, type Incarnation, nodeOf } from './identity.ts';
import type { CoreServing, Effect, Input } from './io.ts';
import type { Cause } from './lease.ts';
import { limits } from './limits.ts';
import { Log } from './log.ts';
import type { LedShard } from './messages.ts';
import { type Position, start } from './position.ts';
import { givePromise, takePromise, voidPromises } from './promises.ts';
import { takeWrite } from './replicate.ts';
import { beginShutdown, countForbidden, countMissing } from './shutdown.ts';
import {
  type CoreOptions,
  emit,
  epochSeen,
  type Leadership,
  noEffects,
  type State,
  tell,
} from './state.ts';
import { freeBytesMin, type KnownReplica, knownReplicas } from './statistics.ts';
import { otherLeader } from './successor.ts';
import { wakeAtMs } from './timers.ts';
import { LeaseTracker } from './tracker.ts';

export class ShardCore {
  readonly #state: State;

  constructor(options: CoreOptions) {
    const random = seededRandom(options.seed);
    const tell = (effect: Effect): void => {
      emit(this.#state, effect);
    };
    this.#state = {
      options,
      effects: noEffects,
      tracker: new LeaseTracker(tell, rereadCause(options)),
      reads: new Backoff(random),
      writes: new Backoff(random),
      nowMs: Number.NEGATIVE_INFINITY,
      looks: 0,
      changed: true,
      promisesChanged: false,
      rulesDueMs: Number.POSITIVE_INFINITY,
      campaignPlan: undefined,
      sets: { maximal: new Set(), minimal: new Set(), isAnothers: false, changes: -1 },
      totalLoss: options.totalLoss,
      minInSync: options.replication.minInSync,
      promiseMs: options.replication.promiseMs,
      patience: undefined,
      leadership: undefined,
      leftEpoch: undefined,
      successorAwaited: undefined,
      data: { kind: 'absent' },
      serving: { role: 'elsewhere' },
      attempt: undefined,
      campaignAsked: undefined,
      recheckAtMs: undefined,
      lossTold: undefined,
      refusalTold: undefined,
      log: new Log(options.replication.logBytesMax),
      fresh: unknown(),
      complete: true,
      peers: new Map(),
      following: undefined,
      heardEpoch: epoch(0),
      givenUntilMs: Number.NEGATIVE_INFINITY,
      epochSinceMs: undefined,
      leaving: new Set(),
      snapshots: 0,
      stopping: false,
      atShutdown: undefined,
      handOverTried: false,
      stopsOut: 0,
      forbidden: 0,
      missing: 0,
      stopped: false,
      stoppedTold: false,
    };
  }

  /** What the shell must do now. Throws InvariantError when the shell breaks the contract. */
  step(input: Input, nowMs: number): readonly Effect[] {
    const state = this.#state;
    if (nowMs > state.nowMs) state.nowMs = nowMs;
    take(state, input);
    advance(state);
    const { effects } = state;
    state.effects = noEffects;
    return effects;
  }

  /** When to step with `tick`; undefined: only other inputs matter. */
  get wakeAtMs(): number | undefined {
    return wakeAtMs(this.#state);
  }

  /**
   * Answers a row of a peer's heartbeat: undefined gives the promise, until then by this node's clock.
   * May come between steps; nothing is to be done for it.
   */
  promise(row: LedShard, _from: Incarnation, untilMs: number): Refused | undefined {
    return givePromise(this.#state, row, untilMs);
  }

  /** The leadership that this node's heartbeats must name; ask after each step. */
  get leading(): Pick<Leadership, 'epoch' | 'generation'> | undefined {
    return this.#state.leadership;
  }

  /** Where clients are to be sent while this replica serves nothing; undefined: nobody else leads, as far as is known. */
  get otherLeader(): Incarnation | undefined {
    return otherLeader(this.#state);
  }

  /** Where the log ends and up to where it is applied. A batch given starts after `last`. */
  get positions(): { readonly applied: Position; readonly last: Position } {
    const { applied, last } = this.#state.log;
    return { applied, last };
  }

  /**
   * Rises whenever more may have changed than the log, what others hold of it, and until when reads are covered: between,
   * `leading`, `otherLeader`, `known`, `holding`, `stopped` and the role that is served are the same.
   */
  get looks(): number {
    return this.#state.looks;
  }

  /** What the control block says. */
  get serving(): CoreServing {
    return this.#state.serving;
  }

  /** For `PeerHeartbeats.beat`: how far this shard is committed; undefined: another may have committed more by now. */
  committedIfHeld(nowMs: number): number | undefined {
    return committedIfHeld(this.#state, nowMs);
  }

  /** A row of `PeerHeartbeats.freshness`. May come between steps. */
  freshIf(freshness: Freshness): void {
    takeFreshness(this.#state, freshness);
  }

  /**
   * For reads that any replica may serve: the data has all that was acknowledged before that moment of this node's clock.
   * Undefined: nothing is known. Never falls while the copy is kept; ask after each step and each `freshIf`.
   */
  get freshAsOfMs(): number | undefined {
    return freshAsOfMs(this.#state);
  }

  /** The others as this leader knows them; empty elsewhere. For statistics: counted anew each time. */
  get replicas(): readonly KnownReplica[] {
    return knownReplicas(this.#state);
  }

  /** The smallest number of free bytes that others who may be in the set have told; Infinity: nobody has. */
  get freeBytesMin(): number {
    return freeBytesMin(this.#state);
  }

  /**
   * It shuts down, and need not stay. While the process lives on for another shard, that may change: those who left come
   * back, and want the data.
   */
  get stopped(): boolean {
    return this.#state.stopped;
  }

  /** The Lease, and what the operator asks while it is lost. Cheap: asked after each step. */
  get known(): Pick<LeaseTracker, 'lastKnown' | 'lost' | 'epochSeen' | 'hasUnresolved'> {
    return this.#state.tracker;
  }

  /** What a node answers besides: the generation of a whole copy, if it has one, and the highest epoch seen. */
  get holding(): { readonly generation: Generation | undefined; readonly epoch: Epoch } {
    const { data, complete } = this.#state;
    const whole = data.kind === 'present' && complete;
    return { generation: whole ? data.generation : undefined, epoch: epochSeen(this.#state) };
  }
}

function take(state: State, input: Input): void {
  switch (input.kind) {
    // These come by the thousand: they say themselves whether they changed more than the log.
    case 'message':
      receive(state, input);
      break;
    case 'write':
      takeWrite(state, input);
      break;
    case 'promised':
      takePromise(state, input);
      break;
    case 'promise-refused':
      hear(state, input.epoch);
      break;
    case 'tick':
      break;
    default:
      state.changed = true;
      takeRare(state, input);
  }
}

type RareInput = Exclude<
  Input,
  { kind: 'message' | 'write' | 'promised' | 'promise-refused' | 'tick' }
>;

function takeRare(state: State, input: RareInput): void {
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
      countMissing(state);
      break;
    case 'store-reached':
      tracker.storeReached(input.request);
      reads.succeeded();
      break;
    case 'read-failed':
      tracker.readFailed(input.request);
      readFailedOfAsked(state, input);
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
    case 'store-answers':
      reads.succeeded();
      writes.succeeded();
      break;
    case 'suspended':
      voidPromises(state);
      break;
    case 'peer':
      takePeer(state, input);
      break;
    case 'leave':
      state.leaving.add(input.incarnation);
      break;
    case 'cut':
      cutTaken(state, input);
      break;
    case 'hand-over':
      askHandOver(state, input);
      break;
    case 'writes-stopped':
      assert(state.stopsOut > 0, 'no stop of writes was asked for');
      state.stopsOut--;
      break;
    case 'data-created':
      assert(state.following === undefined, 'a copy is made anew only in another epoch');
      state.log.reset(start);
      state.fresh = unknown();
      state.complete = true;
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
    case 'settings':
      takeSettings(state, input);
      break;
    case 'policy':
      state.totalLoss = input.totalLoss;
      break;
    case 'shutdown':
      beginShutdown(state);
      break;
  }
}

/** A node's newest incarnation; a restart, or a refused connection, is the certain end of the one before. */
function takePeer(state: State, { incarnation, state: now }: Extract<Input, { kind: 'peer' }>) {
  const { peers, leadership, nowMs } = state;
  peers.set(nodeOf(incarnation), { incarnation, state: now });
  const progress = leadership?.progress.get(incarnation);
  if (progress === undefined || now !== 'up') return;
  progress.resendAtMs = nowMs;
  // Parts of it may have gone with the connection before: a cut that comes late, after newer entries, would bring
  // back what those removed.
  if (progress.snapshot !== undefined) progress.snapshot = notBegun;
}

function takeSettings(state: State, input: Extract<Input, { kind: 'settings' }>): void {
  const { nowMs, promiseMs } = state;
  if (input.promiseMs < promiseMs) {
    state.patience = { promiseMs, untilMs: nowMs + promiseMs * limits.silencePromises };
  }
  state.promiseMs = input.promiseMs;
  state.minInSync = input.minInSync;
}

function rereadCause({ replication }: CoreOptions): Cause | undefined {
  switch (replication.broken) {
    case 'grow-reread':
      return 'Grow';
    case 'campaign-reread':
      return 'Campaign';
    case 'hand-over-reread':
      return 'HandOver';
    default:
      return undefined;
  }
}
