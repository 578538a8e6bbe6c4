/** The state of one core, shared by the files that hold its rules. */

import type { Backoff } from './backoff.ts';
import type { KnownFreshness } from './freshness.ts';
import {
  type Epoch,
  type Generation,
  type Incarnation,
  nodeOf,
  epoch as toEpoch,
} from './identity.ts';
import type { CoreEvent, CoreServing, Effect, TotalLoss } from './io.ts';
import type { CurrentLease, LeaseEdit } from './lease.ts';
import type { Log } from './log.ts';
import type { MessageBody } from './messages.ts';
import type { Position } from './position.ts';
import type { BreakableRule } from './rules.ts';
import type { LeaseTracker } from './tracker.ts';

export interface CoreOptions {
  readonly self: Incarnation;
  /**
   * Incarnations that have certainly ended: earlier starts of this very pod, whose containers run
   * one after the other. Never a guess (rule 15).
   */
  readonly gone: ReadonlySet<Incarnation>;
  /** What follows when every member of the in-sync set is certainly gone; until a `policy` comes. */
  readonly totalLoss: TotalLoss;
  /** For the random part of waits. */
  readonly seed: number;
  readonly replication: ReplicationOptions;
}

export interface ReplicationOptions {
  /** Copies that must be in sync for certain before a write is taken or answered; until `settings` come. */
  readonly minInSync: number;
  readonly promiseMs: number;
  /** Applied entries that are kept for followers. */
  readonly logBytesMax: number;
  /** Set by the simulation alone. */
  readonly broken?: BreakableRule | undefined;
}

/** One leadership: exists exactly as long as this incarnation leads in this epoch. */
export interface Leadership {
  readonly epoch: Epoch;
  readonly generation: Generation;
  readonly sinceMs: number;
  /** Entries up to here were pending when it began: they commit before anything is served (rule 11). */
  readonly inheritedTo: number;
  /** What is known of each other replica. Starts empty: earlier acknowledgements and promises count for nothing. */
  readonly progress: Map<Incarnation, Progress>;
  /** Of these, as last looked up, whoever else may be in the set; undefined within: nothing is known of one. */
  members:
    | { readonly of: InSyncSets; readonly progress: readonly (Progress | undefined)[] }
    | undefined;
  /** Of these, who is connected and to be kept up to date. */
  targets: readonly Target[];
  /** Nobody else is to have a copy: the engine commits by itself (alone.ts). */
  alone: boolean;
  /** Only an entry that is not committed yet stands against it. */
  almostAlone: boolean;
  /** The batch that is out ends here. */
  batchTo: number | undefined;
  /** When those who wait to hear of a commit are told; undefined: nobody waits. */
  commitDueMs: number | undefined;
  /** The newest batch, out or committed, begins after this; for the simulation's broken rules alone. */
  batchFrom: number;
  handOver: HandOver | undefined;
  handOverAsked: AskedHandOver | undefined;
  /** Since when the first of the assignment could lead instead; when that is due, the last request before. */
  preferred:
    | { readonly to: Incarnation; readonly sinceMs: number; readonly dueAfter?: number }
    | undefined;
}

export interface Target {
  readonly to: Incarnation;
  readonly progress: Progress;
}

/** A replica as its leader knows it, in this epoch. */
export interface Progress {
  /** It may be in the set, as of the last look at all rules: only they change who is. */
  isMember: boolean;
  /** It holds the log up to here; undefined: nothing is known. */
  held: number | undefined;
  applied: number;
  /** The highest commit index sent to it. */
  committedTold: number;
  /** Where the next entries start; undefined: with the first that is pending. */
  from: Position | undefined;
  sentTo: number;
  resendAtMs: number;
  /** The last acknowledgement or promise. */
  heardMs: number;
  promisedUntilMs: number;
  /** Free bytes that it told last. */
  freeBytes: number | undefined;
  /** Answers in a row that it had no room. */
  noMemory: number;
  /** It needs a snapshot; `undefined` in number: not begun. */
  snapshot: SendingSnapshot | undefined;
  /** The last snapshot begun for it in this epoch: what it said before that, it holds no more. */
  snapshotBegun: number | undefined;
}

export interface SendingSnapshot {
  readonly number: number | undefined;
  /** Cuts that the replica has. */
  readonly cuts: number;
  /** The part that is on its way, to send again; undefined: the shell is cutting. */
  readonly out: MessageBody | undefined;
  /** Its end was sent. */
  readonly ended: boolean;
  readonly resendAtMs: number;
}

/** The leader gives its shard to another member (rule 12). */
export interface HandOver {
  readonly to: Incarnation;
  readonly giveUpAtMs: number;
}

/** Somebody wants the shard given to that member: once the store has answered a request sent after `after`. */
export interface AskedHandOver {
  readonly to: Incarnation;
  readonly after: number;
  readonly untilMs: number;
}

/** Until when, at most, those who came to a leader that has left are kept; `version`: of the Lease that it gave away. */
export interface AwaitedSuccessor {
  readonly untilMs: number;
  readonly version: string | undefined;
}

/** What a follower has from the leader of the highest epoch that it has heard of. */
export interface Following {
  readonly epoch: Epoch;
  readonly leader: Incarnation;
  /** The log equals the leader's up to here; undefined: not reconciled in this epoch. */
  reconciledTo: number | undefined;
  committed: number;
  /** The highest number of a snapshot heard of in this epoch, and what came of it. */
  snapshot: { readonly number: number; readonly cuts: number } | undefined;
}

/** Whom the shell is connected to, by node: the newest incarnation that it knows. */
export interface Peer {
  readonly incarnation: Incarnation;
  readonly state: 'up' | 'down' | 'refused';
}

/**
 * Not before that moment, nor before every promise given has run out, and `waitMs` later; `lateWaitMs` after the answer of a
 * store that answered only then.
 */
export interface CampaignPlan {
  readonly notBeforeMs: number;
  readonly waitMs: number;
  readonly lateWaitMs: number;
}

export interface CampaignAsked {
  /** The last request before. */
  readonly since: number;
  /** When the store was first heard to answer. */
  answeredMs: number | undefined;
}

/** `isAnothers`: an edit that may be stored names another leader, or none. */
export interface InSyncSets {
  readonly maximal: ReadonlySet<Incarnation>;
  readonly minimal: ReadonlySet<Incarnation>;
  readonly isAnothers: boolean;
}

/** The shard's copy in the engine. One that is being dropped may not be made anew. */
export type Data =
  | { readonly kind: 'absent' | 'dropping' }
  | { readonly kind: 'creating'; readonly generation: Generation }
  /** `used`: this incarnation led with it, so it may hold writes. */
  | { readonly kind: 'present'; readonly generation: Generation; readonly used: boolean };

/** What a rule wants written. Rules are functions of the state; the first that wants something gets it. */
export interface Intent {
  readonly base: CurrentLease;
  readonly edit: LeaseEdit;
  /** The copy that must be there before it is sent. */
  readonly data?: Generation;
  /** Only after a quorum read was answered that was sent after the request of this number. */
  readonly confirmedAfter?: number;
  /** When it could have been sent, had the store answered at once. */
  readonly dueMs?: number;
}

export interface State {
  readonly options: CoreOptions;
  readonly tracker: LeaseTracker;
  readonly reads: Backoff;
  readonly writes: Backoff;
  effects: readonly Effect[];
  nowMs: number;
  /** How often all rules were looked at. */
  looks: number;
  /** Since all rules were last looked at, more changed than the log and what members hold of it. */
  changed: boolean;
  /** A promise came, and nothing else: until when reads are covered may be later. */
  promisesChanged: boolean;
  /** When a rule wants to be looked at again, though nothing changes: as of the last look at all. */
  rulesDueMs: number;
  /** When this replica may campaign, but for the promises that it gave; undefined: it may not. */
  campaignPlan: CampaignPlan | undefined;
  /** Of the tracker's `changes`, to find them again without counting. */
  sets: InSyncSets & { readonly changes: number };
  totalLoss: TotalLoss;
  minInSync: number;
  promiseMs: number;
  /** The promise was longer: how silent members may still be. */
  patience: { readonly promiseMs: number; readonly untilMs: number } | undefined;
  leadership: Leadership | undefined;
  /** Highest epoch that this incarnation led and left: it never serves in it again. */
  leftEpoch: Epoch | undefined;
  successorAwaited: AwaitedSuccessor | undefined;
  data: Data;
  serving: CoreServing;
  /** The last edit sent, to know one's own doing when a watch tells it. */
  attempt: LeaseEdit | undefined;
  /** This incarnation asks whether the store is there, for a campaign (rule 10). */
  campaignAsked: CampaignAsked | undefined;
  /** When to read again a Lease that no watch has told. */
  recheckAtMs: number | undefined;
  /** Told once for each generation. */
  lossTold: Generation | undefined;
  /** Version of the Lease of which a refusal was told, to tell it once. */
  refusalTold: string | undefined;
  readonly log: Log;
  fresh: KnownFreshness;
  /** The copy is no half of a snapshot. */
  complete: boolean;
  readonly peers: Map<string, Peer>;
  following: Following | undefined;
  /** Highest epoch heard of in messages. */
  heardEpoch: Epoch;
  /** The last moment until which this replica promised anybody not to campaign. */
  givenUntilMs: number;
  /** When the Lease of this epoch was first seen. */
  epochSinceMs: { readonly epoch: Epoch; readonly sinceMs: number } | undefined;
  /** Incarnations that asked to be removed. */
  readonly leaving: Set<Incarnation>;
  /** Snapshots begun: each gets another number. */
  snapshots: number;
  stopping: boolean;
  /** The Lease as it was known when the shutdown began, and the read that had told it. */
  atShutdown:
    | { readonly lease: CurrentLease | undefined; readonly confirmedBy: number }
    | undefined;
  /** Shutting down, it tried once to hand over. */
  handOverTried: boolean;
  /** Effects `stop-writes` that are not answered yet. */
  stopsOut: number;
  /** Answers in a row that said this node may not do it (401, 403). */
  forbidden: number;
  /** Quorum reads in a row that found no Lease to go by; since it shuts down. */
  missing: number;
  /** Nothing is left to be done, as far as is known now. */
  stopped: boolean;
  stoppedTold: boolean;
}

export const noEffects: readonly Effect[] = [];

/** Adds to what the shell must do. Nearly always that is one or two, and an array that grows takes room for seventeen. */
export function emit(state: State, effect: Effect): void {
  const { effects } = state;
  const [first] = effects;
  if (first === undefined) state.effects = [effect];
  else state.effects = effects.length === 1 ? [first, effect] : [...effects, effect];
}

export function tell(state: State, event: CoreEvent): void {
  emit(state, { kind: 'tell', event });
}

/** Place of this node in the assignment; 0 is preferred, -1: not in it. */
export const rank = (state: State, lease: CurrentLease): number =>
  lease.assignment.indexOf(nodeOf(state.options.self));

export const holdsCopy = (state: State, generation: Generation): boolean =>
  state.data.kind === 'present' && state.data.generation === generation;

/** Whether the simulation broke this rule; in a node never. */
export const isBroken = (state: State, rule: BreakableRule): boolean =>
  state.options.replication.broken === rule;

export const promiseMs = (state: State): number => state.promiseMs;

export const minInSync = (state: State): number => state.minInSync;

/** The highest epoch seen in messages or Leases. */
export const epochSeen = ({ heardEpoch, tracker }: State): Epoch =>
  toEpoch(Math.max(heardEpoch, tracker.epochSeen));

export function send(
  state: State,
  to: Incarnation,
  { epoch, generation }: { readonly epoch: Epoch; readonly generation: Generation },
  body: MessageBody,
): void {
  emit(state, { kind: 'send', to, message: { generation, epoch, body } });
}
