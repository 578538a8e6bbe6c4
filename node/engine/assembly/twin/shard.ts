/**
 * A shard's place in the arena: its control block, its lock, its twin and the log of the open batch.
 *
 * How a write travels (the twin map):
 *
 *   lock ── change the hidden side, log (hash, before, after) ──┬─ gather (replicated), more calls add
 *                                                               │    └─ seal: frozen, the batch is out
 *                                                               │         └─ commit, or rollback
 *                                                               └─ swap: the hidden side is visible
 *   readers of the old side leave (drain) ── replay the log there ── free what was replaced
 *
 * The drain may outlive the call that swapped: the shard then stays `Swapped`, unlocked, and who next
 * wants to write finishes it first. Nobody holds a mutex while it waits for a reader.
 */
import { SHARDS_MAX } from '../generated/constants';
import { header, SHARD_STRIDE, SHARDS } from '../layout';
import { Side } from './directory';

/** Nothing in the log; both sides are equal. */
export const STATE_IDLE: u32 = 0;
/** The hidden side holds a batch that its locker still adds to. */
export const STATE_OPEN: u32 = 1;
/** The batch is out for acknowledgement. */
export const STATE_FROZEN: u32 = 2;
/** The batch is visible; the old side waits for its readers and its replay. */
export const STATE_SWAPPED: u32 = 3;
/** The hidden side holds writes of calls that have ended; unlocked, more may join. */
export const STATE_GATHERED: u32 = 4;

/** Values of `exists`; 0: no copy here. */
export const EXISTS: u32 = 1;
/** It is being dropped, slice by slice. */
export const DROPPING: u32 = 2;

export const ROLE_ELSEWHERE: u32 = 0;
export const ROLE_STARTING: u32 = 1;
export const ROLE_LEADER: u32 = 2;

@unmanaged
export class Shard {
  // Control block: written by the home thread, read by all (control.ts). One cache line.
  /** Even: leading. Changes with every change of leadership. */
  leadership: u32;
  /** Rises with each publication and each unlock that somebody waits for: JavaScript waits on it. */
  publication: u32;
  readUntilMs: f64;
  epoch: f64;
  generation: f64;
  role: u32;
  writable: u32;
  /** What a leader refuses at once: control.ts. */
  refuses: u32;
  /** 1: connections in read-only mode may read this copy, though another node leads. */
  replicaReadable: u32;
  reserved1: u64;
  reserved2: u64;
  // Lock and side. One cache line.
  /** 0: free, 1: held, 2: held and a thread sleeps. */
  mutex: u32;
  /** The visible side. */
  side: u32;
  /** Not 0: JavaScript of some thread waits for `publication`, and for what (lock.ts). */
  awaited: u32;
  /** Thread that holds the mutex, plus 1. */
  owner: u32;
  state: u32;
  /** 1: writes gather at the end of a call instead of committing. */
  replicated: u32;
  nextHeld: u32;
  /** Value of `leadership` when the batch was opened by its first call. */
  batchLeadership: u32;
  exists: u32;
  /** Entries of the log, and the sequence, when the present call opened the batch. */
  openEntries: u32;
  /** Sequence before the open batch. */
  batchSequence: u64;
  openSequence: u64;
  /** Sequence of the visible side: of what is committed. */
  committedSequence: u64;
  // Behind the mutex.
  side0: u32;
  side0Depth: u32;
  side0Owed: u32;
  side0Reserved: u32;
  side1: u32;
  side1Depth: u32;
  side1Owed: u32;
  side1Reserved: u32;
  log: u32;
  logEntries: u32;
  logCapacity: u32;
  keys: u32;
  bytes: u64;
  sequence: u64;
  sweepCursor: u64;
  // Of the gathered batch.
  /** Bit for each thread with calls that wait for it. */
  waiting: u64;
  /** Its number: rises when it is resolved. */
  batch: u32;
  /** Bytes of its content so far. */
  contentBytes: u32;
  /** Keys that expire, uncommitted ones included. */
  expiring: u32;
  reserved4: u32;
}
const SNAPSHOT: usize = 248;

// @ts-ignore: decorator
@inline
export function addressOfShard(shard: Shard): usize {
  return changetype<usize>(shard);
}
// @ts-ignore: decorator
@inline
export function shardAt(id: u32): Shard {
  return changetype<Shard>(SHARDS + <usize>id * SHARD_STRIDE);
}
// @ts-ignore: decorator
@inline
export function idOfShard(shard: Shard): u32 {
  return <u32>((addressOfShard(shard) - SHARDS) / SHARD_STRIDE);
}
// @ts-ignore: decorator
@inline
export function shardOfSlot(slot: u32): Shard {
  return shardAt((slot * header().shards) >> 14);
}
// @ts-ignore: decorator
@inline
export function sideOf(shard: Shard, side: u32): Side {
  return changetype<Side>(addressOfShard(shard) + offsetof<Shard>('side0') + (<usize>side << 4));
}
/** The side that readers see; load it only inside a read section. */
// @ts-ignore: decorator
@inline
export function visibleSide(shard: Shard): u32 {
  return atomic.load<u32>(addressOfShard(shard) + offsetof<Shard>('side'));
}
/** Counters of the readers that a swap found inside (sections.ts). */
// @ts-ignore: decorator
@inline
export function drainSnapshot(shard: Shard): usize {
  return addressOfShard(shard) + SNAPSHOT;
}

export function shardLayoutHolds(): bool {
  return (
    offsetof<Shard>('mutex') == 64 &&
    offsetof<Shard>('side0') == 128 &&
    offsetof<Shard>() <= SNAPSHOT &&
    SNAPSHOT + 66 * 4 <= SHARD_STRIDE &&
    SHARDS_MAX <= 1024
  );
}
