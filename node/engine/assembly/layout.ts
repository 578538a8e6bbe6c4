/**
 * Where things lie in an arena: a tour.
 *
 *   64         Header: state of the set-up, options, allocator, hash secrets
 *   4,064      in test builds, the rule that is broken (constants.ts)
 *   4,096      sections: one pair of cache lines for each thread (twin/sections.ts)
 *   16,384     texts of replies, CRC tables, command table: written once by the set-up
 *   40,960     Shard: one of 512 bytes for each shard: control block, lock, twin (twin/shard.ts)
 *              redirects, rings of expired keys
 *              Thread: one for each thread: registers, magazines, windows for input and output
 *              the map of 4 KiB units (memory/runs.ts)
 *   heapStart  runs of units: slabs of records and tables, large values, buffers
 *
 * Every instance of the module shares all of it, at the same addresses. A module has no mutable
 * global and no static data: a second instantiation would reset them under the feet of the first.
 * So state is reached from fixed addresses, and each call is told its `Thread`.
 */
import {
  ARGUMENTS_INLINE_MAX,
  COMMANDS,
  EXCHANGE_WINDOW_BYTES,
  EXPIRY_RING_ENTRIES,
  INPUT_WINDOW_BYTES,
  LINE_BYTES_MAX,
  OUTPUT_SLACK_BYTES,
  OUTPUT_WINDOW_BYTES,
  SHARDS_MAX,
  THREADS_MAX,
} from './generated/constants';

export const SECTIONS: usize = 4096;
export const SECTION_STRIDE: usize = 128;
export const TEXTS: usize = 16384;
export const CRC_TABLES: usize = 20480;
export const COMMAND_TABLE: usize = 24576;
/** Open addressing; a power of two well above the number of commands. */
export const COMMAND_TABLE_ENTRIES: u32 = 512;
export const COMMAND_ENTRY_BYTES: usize = 24;
export const SHARDS: usize = 40960;
export const SHARD_STRIDE: usize = 512;
export const REDIRECTS: usize = SHARDS + SHARDS_MAX * SHARD_STRIDE;
export const REDIRECT_STRIDE: usize = 272;
export const RINGS: usize = REDIRECTS + SHARDS_MAX * REDIRECT_STRIDE;
export const RING_ENTRY_BYTES: usize = 24;
export const RING_STRIDE: usize = 128 + EXPIRY_RING_ENTRIES * RING_ENTRY_BYTES;
export const THREADS: usize = (RINGS + THREADS_MAX * RING_STRIDE + 4095) & ~4095;
/** Registers, arguments, counters, magazines of a thread; its windows follow. */
export const THREAD_STATE_BYTES: usize = 40960;
export const THREAD_STRIDE: usize =
  THREAD_STATE_BYTES +
  INPUT_WINDOW_BYTES +
  OUTPUT_WINDOW_BYTES +
  OUTPUT_SLACK_BYTES +
  LINE_BYTES_MAX +
  EXCHANGE_WINDOW_BYTES;

export const UNIT_BITS: u32 = 12;
export const UNIT_BYTES: usize = 4096;

export const SIZE_CLASSES: i32 = 100;
export const RUN_BINS: i32 = 21;

/** Kinds of memory that are counted. */
export const KIND_RECORDS: i32 = 0;
export const KIND_INDEX: i32 = 1;
export const KIND_BUFFERS: i32 = 2;

@unmanaged
export class Header {
  /** 0: fresh, 1: somebody sets it up, 2: ready. */
  state: u32;
  threads: u32;
  shards: u32;
  keyBytesMax: u32;
  valueBytesMax: u32;
  mapStart: u32;
  heapStart: u32;
  heapEnd: u32;
  budgetUnits: u32;
  // Allocator: behind `allocatorLock`, but for `usedUnits` and `owedBytes`, which are atomic.
  allocatorLock: u32;
  top: u32;
  usedUnits: u32;
  /** Bytes of index that hidden sides have taken and the other sides will take at replay. */
  owedBytes: u32;
  reserved: u32;
  secret0: u64;
  secret1: u64;
  secret2: u64;
  secret3: u64;
}
const BINS: usize = 256;
const PARTIAL_SLABS: usize = 512;

// @ts-ignore: decorator
@inline
export function header(): Header {
  return changetype<Header>(64);
}

/** Head of the list of free runs in a bin. */
// @ts-ignore: decorator
@inline
export function binHead(bin: i32): usize {
  return 64 + BINS + (<usize>bin << 2);
}

/** Head of the list of slabs of a class that have room. */
// @ts-ignore: decorator
@inline
export function partialHead(sizeClass: i32): usize {
  return 64 + PARTIAL_SLABS + (<usize>sizeClass << 2);
}

/** A thread's private state. Only its thread writes it; statistics of others are read as they are. */
@unmanaged
export class Thread {
  id: u32;
  /** 1 while inside a read section. */
  inside: u32;
  /** Head of the list of shards whose mutex this thread holds. */
  held: u32;
  heldGarbage: u32;
  heldEntries: u32;
  accessClock: u32;
  nowMs: i64;
  monotonicMs: f64;

  // The call.
  connection: u32;
  base: u32;
  position: u32;
  end: u32;
  out: u32;
  outLimit: u32;
  /** Arguments of the current command: pairs (address, length). */
  argv: u32;
  argc: u32;
  argvCapacity: u32;
  next: u32;
  /** Where a rollback of the whole call goes back to. */
  committedPosition: u32;
  committedOut: u32;
  committedCommands: u32;

  // Registers that JavaScript reads.
  consumed: u32;
  outputEnd: u32;
  needed: u32;
  command: i32;
  shard: u32;
  reason: u32;
  address: u32;
  length: u32;
  /** Value of the shard's publication counter when it was found busy. */
  seen: u32;
  /** Shard whose next change this call already asked to be told of. */
  armed: u32;
  /** 1: the parked shard waits for readers of its old side, not for its mutex. */
  draining: u32;
  /** Commands that the call consumed, those handed to JavaScript included. */
  commands: u32;

  // The command.
  slot: u32;
  leadership: u32;
  shardAddress: u32;
  errors: u32;
  /** A result beside a verdict. */
  number: i64;

  expired: u32;
  /** Test builds count here. */
  pauses: u32;
  scanCursor: u64;
  recordBytes: i64;
  indexBytes: i64;
  bufferBytes: i64;
  /** Sum of what was loaded only to have it in the cache: a load whose value is unused is no load. */
  touched: u32;
  /** Unresolved batches that replies of this call depend on; the list is at `gatheredList`. */
  gathered: u32;
  /** 1: reads of replicated shards must see what this connection wrote and nobody has committed. */
  careful: u32;
  /** 1: what is written is for nobody who waits (a sweep). */
  quiet: u32;

  // What goes through the exchange window (twin/effects.ts).
  // JavaScript reads from here on to `waitingHigh`, in this order.
  /** End of what is in the window. */
  exchangeEnd: u32;
  /** Entries of its list of long values. */
  exchangeLong: u32;
  /** The first entry of the log that is not written yet, and how many there are. */
  sealNext: u32;
  sealEntries: u32;
  sealBytes: u32;
  sealBatch: u32;
  sealCommands: u32;
  waitingLow: u32;
  waitingHigh: u32;
  /** Written, or applied. */
  effects: u32;
  /** Where JavaScript puts the rest of a long value, 0: nowhere; and how much that is. */
  fill: u32;
  fillBytes: u32;
  exchangeCursor: u64;
}

const THREAD_TEXT: usize = 384;
const THREAD_NUMBER: usize = 448;
const THREAD_SNAPSHOT: usize = 512;
const THREAD_MAGAZINES: usize = 1024;
const THREAD_COUNTERS: usize = 2048;
const THREAD_ARGUMENTS: usize = 8192;
const THREAD_JOIN: usize = 16384;
const THREAD_RUN: usize = 20480;
const THREAD_GATHERED: usize = 22528;
/** Pairs of shard and batch that a call may report: twice as many as one publication can add. */
export const GATHERED_MAX: u32 = SHARDS_MAX * 2;
/** Commands that a run looks ahead (resp/run.ts), and what it keeps of each. */
export const RUN_COMMANDS: u32 = 32;
export const RUN_ENTRY_BYTES: usize = 48;

// @ts-ignore: decorator
@inline
export function threadAt(id: u32): Thread {
  return changetype<Thread>(THREADS + <usize>id * THREAD_STRIDE);
}
// @ts-ignore: decorator
@inline
export function addressOf(thread: Thread): usize {
  return changetype<usize>(thread);
}
/** 64 bytes for an integer written out. */
// @ts-ignore: decorator
@inline
export function textScratch(thread: Thread): usize {
  return addressOf(thread) + THREAD_TEXT;
}
/** Place for a number that a helper returns beside its verdict. */
// @ts-ignore: decorator
@inline
export function numberScratch(thread: Thread): usize {
  return addressOf(thread) + THREAD_NUMBER;
}
/** Section counters of the other threads as seen after a swap. */
// @ts-ignore: decorator
@inline
export function snapshotOf(thread: Thread): usize {
  return addressOf(thread) + THREAD_SNAPSHOT;
}
// @ts-ignore: decorator
@inline
export function magazineOf(thread: Thread, sizeClass: i32): usize {
  return addressOf(thread) + THREAD_MAGAZINES + (<usize>sizeClass << 3);
}
/** Calls (u64) and errors (u64) of a command. */
// @ts-ignore: decorator
@inline
export function counterOf(thread: Thread, command: i32): usize {
  return addressOf(thread) + THREAD_COUNTERS + (<usize>command << 4);
}
// @ts-ignore: decorator
@inline
export function inlineArguments(thread: Thread): usize {
  return addressOf(thread) + THREAD_ARGUMENTS;
}
/** 512 bytes where a short value is put together. */
// @ts-ignore: decorator
@inline
export function joinScratch(thread: Thread): usize {
  return addressOf(thread) + THREAD_JOIN;
}
/** The commands of a run. */
// @ts-ignore: decorator
@inline
export function runEntries(thread: Thread): usize {
  return addressOf(thread) + THREAD_RUN;
}
// @ts-ignore: decorator
@inline
export function inputWindow(thread: Thread): usize {
  return addressOf(thread) + THREAD_STATE_BYTES;
}
// @ts-ignore: decorator
@inline
export function outputWindow(thread: Thread): usize {
  return addressOf(thread) + THREAD_STATE_BYTES + INPUT_WINDOW_BYTES;
}
/** Shards of the report, then batches: two arrays of GATHERED_MAX words. */
// @ts-ignore: decorator
@inline
export function gatheredList(thread: Thread): usize {
  return addressOf(thread) + THREAD_GATHERED;
}
/** Where effects of batches and cuts of snapshots come and go. */
// @ts-ignore: decorator
@inline
export function exchangeWindow(thread: Thread): usize {
  return lineScratch(thread) + LINE_BYTES_MAX;
}
/** Where the words of an inline command with quotes are decoded. */
// @ts-ignore: decorator
@inline
export function lineScratch(thread: Thread): usize {
  return outputWindow(thread) + OUTPUT_WINDOW_BYTES + OUTPUT_SLACK_BYTES;
}

// Relations of the places above: a broken one does not compile to a working module, so check early.
export function layoutHolds(): bool {
  return (
    64 + offsetof<Header>() <= 64 + BINS &&
    BINS + <usize>RUN_BINS * 4 <= PARTIAL_SLABS &&
    PARTIAL_SLABS + <usize>SIZE_CLASSES * 4 <= 4032 &&
    SECTIONS + SECTION_STRIDE * (THREADS_MAX + 1) <= TEXTS &&
    offsetof<Thread>() <= THREAD_TEXT &&
    THREAD_SNAPSHOT + (THREADS_MAX + 1) * 4 <= THREAD_MAGAZINES &&
    THREAD_MAGAZINES + <usize>SIZE_CLASSES * 8 <= THREAD_COUNTERS &&
    THREAD_COUNTERS + COMMANDS * 16 <= THREAD_ARGUMENTS &&
    THREAD_ARGUMENTS + ARGUMENTS_INLINE_MAX * 8 <= THREAD_JOIN &&
    THREAD_JOIN + 512 <= THREAD_RUN &&
    THREAD_RUN + RUN_COMMANDS * RUN_ENTRY_BYTES <= THREAD_GATHERED &&
    THREAD_GATHERED + <usize>GATHERED_MAX * 8 <= THREAD_STATE_BYTES &&
    COMMAND_TABLE + COMMAND_TABLE_ENTRIES * COMMAND_ENTRY_BYTES <= SHARDS
  );
}
