/** Inputs and effects of the core: data only, so that a script can write them down. */

import type { RefusedReason } from '@r-db/leases/store.ts';
import type { Epoch, Generation, Incarnation } from './identity.ts';
import type { CurrentLease, LeaseEdit, ShardLease } from './lease.ts';
import type { ShardMessage } from './messages.ts';
import type { LogEntry, Position } from './position.ts';
import type { Peer } from './state.ts';

export type Input =
  /** A watch or list told a Lease; it may be old. */
  | { readonly kind: 'observed'; readonly lease: ShardLease }
  /** A watch told that the Lease of this UID was deleted; that may be old, too. */
  | { readonly kind: 'deleted'; readonly uid: string }
  /** A watch told a Lease that can't be understood, is another cluster's or another kind's. */
  | { readonly kind: 'unreadable'; readonly message: string }
  /** The quorum read asked for by `read-lease` answered: what the store holds, or nothing. */
  | { readonly kind: 'read'; readonly request: number; readonly lease: ShardLease | undefined }
  /** For a `read-lease` with `orAny`: a quorum read of another Lease, sent after it was asked for, was answered. */
  | { readonly kind: 'store-reached'; readonly request: number }
  | {
      readonly kind: 'read-failed';
      readonly request: number;
      /** The store said no to who asks, and will do so again. */
      readonly forbidden: boolean;
      readonly message: string;
    }
  /** The compare-and-set asked for by `write-lease` is stored. */
  | { readonly kind: 'won'; readonly request: number; readonly lease: ShardLease }
  /** It is certainly not stored, now or later. */
  | {
      readonly kind: 'refused';
      readonly request: number;
      readonly reason: RefusedReason;
      readonly message: string;
    }
  /** It may be stored, now or later. */
  | { readonly kind: 'unresolved'; readonly request: number; readonly message: string }
  /** The store, which had not answered, does again: nothing is to be waited for. */
  | { readonly kind: 'store-answers' }
  /** Answers to `create-data` and `drop-data`. */
  | { readonly kind: 'data-created' }
  | { readonly kind: 'data-refused'; readonly message: string }
  | { readonly kind: 'data-dropped' }
  /** A message of a replica of this shard. The connection knows who sent it. */
  | {
      readonly kind: 'message';
      readonly from: Incarnation;
      readonly message: ShardMessage;
      /** This node has no room for its entries, or its cut. */
      readonly noMemory?: true;
    }
  /** A connection to a node began (`up`, once for each) or ended; `refused`: its process does not listen any more. */
  | { readonly kind: 'peer'; readonly incarnation: Incarnation; readonly state: Peer['state'] }
  /** The peer shuts down and asks to be removed. */
  | { readonly kind: 'leave'; readonly incarnation: Incarnation }
  /** An answered heartbeat gave a promise for this shard, until then by this node's clock. */
  | {
      readonly kind: 'promised';
      readonly by: Incarnation;
      readonly epoch: Epoch;
      readonly untilMs: number;
    }
  | { readonly kind: 'promise-refused'; readonly by: Incarnation; readonly epoch: Epoch }
  /** The shard's hidden side holds a batch: its entries follow the last one of the log. */
  | {
      readonly kind: 'write';
      /** The leadership in which it was executed: what another has begun since, it does not know. */
      readonly epoch: Epoch;
      readonly entries: readonly Omit<LogEntry, 'epoch'>[];
    }
  /** Answer to `stop-writes`: what had been executed was given as `write`. */
  | { readonly kind: 'writes-stopped' }
  /** Answer to `take-cut`: the next part of the snapshot, or its end, then with the table of sessions. */
  | {
      readonly kind: 'cut';
      readonly to: Incarnation;
      readonly snapshot: number;
      readonly cut: Uint8Array | undefined;
      readonly sessions?: Uint8Array;
    }
  /** The host stood still, and its monotonic clock with it: what is timed by that clock came from before. */
  | { readonly kind: 'suspended' }
  /** Somebody wants this member of the set to lead: told as `hand-over-begun` or `hand-over-refused`, by then at the latest. */
  | { readonly kind: 'hand-over'; readonly to: Incarnation; readonly withinMs?: number }
  /** Time passed: `wakeAtMs` came. */
  | { readonly kind: 'tick' }
  /** What `options.replication` says is another thing from now on; the same is to be told to `PeerHeartbeats`. */
  | { readonly kind: 'settings'; readonly minInSync: number; readonly promiseMs: number }
  /** What follows on total loss is another thing from now on. */
  | { readonly kind: 'policy'; readonly totalLoss: TotalLoss }
  /** SIGTERM: stop leading, give up what can be given up, tell `stopped`. */
  | { readonly kind: 'shutdown' };

/** What the shard's control block is to say. */
export type CoreServing =
  | { readonly role: 'elsewhere' }
  | { readonly role: 'starting' }
  | {
      readonly role: 'leader';
      readonly epoch: Epoch;
      readonly generation: Generation;
      /** Monotonic milliseconds; Infinity where no other copy could be read. */
      readonly readUntilMs: number;
      readonly writable: boolean;
      /** No other copy is there or planned: the engine commits by itself, and there are no batches. */
      readonly alone: boolean;
      /** Writes are refused, not parked: too few replicas are in sync for certain. */
      readonly tooFewReplicas?: true;
    };

/**
 * What the shell must do, in this order. `publish` takes effect before the next effect is begun;
 * `write-lease` and `read-lease` are answered exactly once, with their request's number.
 */
export type Effect =
  | {
      readonly kind: 'write-lease';
      readonly request: number;
      readonly base: CurrentLease;
      readonly edit: LeaseEdit;
      /** Of a campaign: since when it was due. */
      readonly dueMs?: number;
    }
  /** `orAny`: what the Lease says is known; it is to be seen that the store answers. */
  | { readonly kind: 'read-lease'; readonly request: number; readonly orAny?: true }
  | { readonly kind: 'publish'; readonly serving: CoreServing }
  | { readonly kind: 'send'; readonly to: Incarnation; readonly message: ShardMessage }
  /** Leadership is to be handed over: give what is gathered, then answer `writes-stopped`. */
  | { readonly kind: 'stop-writes' }
  /** The batch that is out is committed up to here: swap, answer, replay. */
  | { readonly kind: 'commit'; readonly sequence: number }
  /** The batch given is not committed: undo the hidden side; its clients hear OUTCOME_UNKNOWN, or if
   *  `taken` is false, a retryable error: nothing of it was kept or sent. */
  | { readonly kind: 'roll-back'; readonly taken: boolean }
  /** Entries of others, or inherited ones, are committed: apply them, in order. */
  | { readonly kind: 'apply'; readonly entries: readonly LogEntry[] }
  /** Empty the copy: cuts follow. Entries may be applied between them; a record's version decides. */
  | { readonly kind: 'begin-snapshot'; readonly from: Position }
  | { readonly kind: 'install-cut'; readonly cut: Uint8Array }
  /** The copy is whole; its sessions are these, as `Sessions.encode` made them. */
  | { readonly kind: 'end-snapshot'; readonly sessions: Uint8Array }
  /** Cut the committed side from after the last cut on, from the start for a new number. */
  | { readonly kind: 'take-cut'; readonly to: Incarnation; readonly snapshot: number }
  | { readonly kind: 'create-data'; readonly generation: Generation }
  | { readonly kind: 'drop-data'; readonly generation: Generation }
  | { readonly kind: 'tell'; readonly event: CoreEvent };

/** For logs, metrics and whoever looks on; never needed for safety. */
export type CoreEvent =
  | {
      readonly kind: 'leading';
      readonly epoch: Epoch;
      readonly generation: Generation;
      readonly cause: LeadCause;
    }
  | { readonly kind: 'stepped-down'; readonly epoch: Epoch; readonly reason: StepDownReason }
  /** The only copies are gone. Reset: an empty generation was asked for. Held: a person must decide. */
  | {
      readonly kind: 'total-loss';
      readonly generation: Generation;
      readonly action: 'reset' | 'held';
    }
  | { readonly kind: 'released'; readonly generation: Generation }
  /** What came of the wish that this member leads; of one that is begun, the Lease tells the rest. */
  | { readonly kind: 'hand-over-begun'; readonly to: Incarnation }
  | { readonly kind: 'hand-over-refused'; readonly to: Incarnation; readonly message: string }
  | { readonly kind: 'lease-lost'; readonly reason: LostReason; readonly epoch: Epoch }
  | { readonly kind: 'lease-found'; readonly epoch: Epoch }
  /** A Lease that was not followed, and why. */
  | { readonly kind: 'ignored'; readonly message: string }
  | { readonly kind: 'store-trouble'; readonly message: string }
  | { readonly kind: 'data-refused'; readonly message: string }
  | { readonly kind: 'stopped' };

/** What follows when every copy of a shard is gone: it starts again empty, or waits for a person. */
export type TotalLoss = 'Reset' | 'Hold';
export type LeadCause = 'Free' | 'Campaign' | 'Restart' | 'TakeOver';
export type StepDownReason = 'HigherEpoch' | 'OtherLeader' | 'NewGeneration' | 'Shutdown';
export type LostReason = 'Missing' | 'OtherUid' | 'EpochWentBack' | 'RevisionWentBack';
