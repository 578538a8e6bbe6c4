/**
 * What replicas send each other: plain data, one to one with `proto/rdb/v1/peer.proto`.
 *
 * The shell adds what is the transport's: the shard's number, clocks, free bytes; and it refuses other
 * clusters and formats in the handshake. Who sent a message is told beside it: the connection knows.
 */

import type { Epoch, Generation, Incarnation } from './identity.ts';
import type { ShardLease } from './lease.ts';
import type { LogEntry, Position } from './position.ts';

/** `rdb.v1.ShardMessage`. `epoch` is the sender's, whatever the origins of the entries in it. */
export interface ShardMessage {
  readonly generation: Generation;
  readonly epoch: Epoch;
  readonly body: MessageBody;
}

export type MessageBody =
  /** Leader: entries to hold, after `previous`; everything up to `committed` is committed. */
  | {
      readonly kind: 'entries';
      readonly previous: Position;
      readonly entries: readonly LogEntry[];
      readonly committed: number;
    }
  /**
   * Follower: it holds everything up to `held` as the leader has it; `gap`: not what comes before it;
   * `out-of-memory`: what came now was not taken, and says nothing of `held`.
   */
  | {
      readonly kind: 'acknowledgement';
      readonly incarnation: Incarnation;
      readonly held: Position;
      readonly applied: Position;
      readonly problem?: 'gap' | 'out-of-memory';
      /** The snapshot that it is taking, and the cuts of it that it has. */
      readonly snapshot?: { readonly number: number; readonly cuts: number };
      /** Bytes of its budget that are free. Its shell puts them in. */
      readonly freeBytes?: number;
    }
  | { readonly kind: 'commit'; readonly committed: number }
  /** Leader: drop what you have, cuts come. A higher number cancels the one before. */
  | { readonly kind: 'snapshot-begin'; readonly snapshot: number; readonly from: Position }
  /** `index` counts the cuts from 0: TCP keeps their order, a new connection does not. */
  | {
      readonly kind: 'snapshot-cut';
      readonly snapshot: number;
      readonly index: number;
      readonly cut: Uint8Array;
    }
  | {
      readonly kind: 'snapshot-end';
      readonly snapshot: number;
      readonly cuts: number;
      /** The sessions of the shard, as committed when it was sent. */
      readonly sessions: Uint8Array;
    }
  /** Old leader to new: the Lease as won. The shell hands it over as `observed`. */
  | { readonly kind: 'hand-over'; readonly lease: ShardLease }
  /** Your epoch is old. */
  | { readonly kind: 'refusal' };

/** `rdb.v1.LedShard`: a row of what a node leads; epoch 0: it leads it no more. */
export interface LedShard {
  readonly shard: number;
  readonly epoch: Epoch;
  readonly generation: Generation;
}

/** `rdb.v1.Heartbeat`, but for its clock. */
export interface Heartbeat {
  readonly number: number;
  readonly promiseMs: number;
  readonly tableVersion: number;
  readonly led: readonly LedShard[];
  /** The `mark` of the peer's last answer. */
  readonly echoedMark?: number;
  /** How far the shards are committed whose promises the sender held all when it sent this, with `echoedMark` only. */
  readonly committed?: readonly ShardCommit[];
}

/** `rdb.v1.ShardCommit`: nobody else can have committed more when it was sent. */
export interface ShardCommit {
  readonly shard: number;
  readonly committed: number;
}

/** `rdb.v1.HeartbeatAnswer`. */
export interface HeartbeatAnswer {
  readonly number: number;
  readonly promiseMs: number;
  readonly tableVersion: number;
  readonly refused: readonly PromiseRefusal[];
  /** Whole milliseconds of the answering node's clock; comes back in the next heartbeat. */
  readonly mark?: number;
}

export interface PromiseRefusal {
  readonly shard: number;
  readonly epoch: Epoch;
  readonly reason: 'epoch' | 'leader' | 'campaign' | 'generation';
}
