/**
 * What all commands share: from a key to its shard, the gates of reads and writes, look-ups, and
 * replies that carry a value. A gate returns PROCEED, REPLIED (an error is in the output, the command
 * is over) or the reason to stop.
 */
import {
  COPIED_VALUE_BYTES_MAX,
  MESSAGE_CLUSTER_DOWN,
  MESSAGE_CLUSTER_DOWN_LENGTH,
  MESSAGE_CROSS_SLOT,
  MESSAGE_CROSS_SLOT_LENGTH,
  MESSAGE_KEY_TOO_LONG,
  MESSAGE_KEY_TOO_LONG_LENGTH,
  MESSAGE_MOVED,
  MESSAGE_MOVED_LENGTH,
  MESSAGE_NO_REPLICAS,
  MESSAGE_NO_REPLICAS_LENGTH,
  MESSAGE_OUT_OF_MEMORY,
  MESSAGE_OUT_OF_MEMORY_LENGTH,
  STOP_LONG_VALUE,
  STOP_OUTPUT_FULL,
  STOP_PARK,
} from '../generated/constants';
import {
  isReplicaReadable,
  leadershipOf,
  mayWrite,
  readRedirect,
  REFUSES_WRITES,
  refusesOf,
  roleOf,
} from '../control';
import { reportExpired } from '../expiry';
import { header, textScratch, Thread } from '../layout';
import { slotOf } from '../memory/hash';
import { writeUnsigned } from '../resp/numbers';
import { replyText, writeBulk, writeBulkHeader } from '../resp/reply';
import { search, Side } from '../twin/directory';
import { holds } from '../twin/lock';
import {
  blobOf,
  FORM_POINTER,
  formOf,
  holdBlob,
  isExpired,
  touch,
  valueBytes,
  valueLength,
} from '../twin/record';
import {
  addressOfShard,
  ROLE_ELSEWHERE,
  Shard,
  shardOfSlot,
  sideOf,
  visibleSide,
} from '../twin/shard';
import { BUSY, FROZEN, hiddenSide, LOCKED, tryOpen } from '../twin/twin';
import { announceLate, pauseReader } from '../twin/sections';
import { BREAK_ANNOUNCE_LATE, BREAK_READ_GATHERED, PAUSE_READERS } from '../generated/constants';
import { connectionOf } from '../resp/parse';
import { argumentAt, argumentLength } from './names';

export const PROCEED: i32 = 0;
export const REPLIED: i32 = 100;
/** Another thread writes to the shard: the call ends what it holds, waits outside, comes back. */
export const WAIT_WRITER: i32 = 101;
export const WAIT_FROZEN: i32 = 102;
export const WAIT_SERVING: i32 = STOP_PARK;

/** Counts the error of the current command; the reply is in the output already. */
// @ts-ignore: decorator
@inline
export function failed(thread: Thread): i32 {
  thread.errors++;
  return REPLIED;
}

export function fail(thread: Thread, offset: u32, length: u32): i32 {
  replyText(thread, offset, length);
  return failed(thread);
}

export function failOutOfMemory(thread: Thread): i32 {
  return fail(thread, MESSAGE_OUT_OF_MEMORY, MESSAGE_OUT_OF_MEMORY_LENGTH);
}

/** Shard of the key at argument `index`; its slot stays in the thread for a redirect. */
// @ts-ignore: decorator
@inline
export function shardOfKey(thread: Thread, index: u32): Shard {
  const slot = slotOf(argumentAt(thread, index), argumentLength(thread, index));
  thread.slot = slot;
  return shardOfSlot(slot);
}

/** Whether all keys from `first` on, every `step` arguments, have the slot of the first one. */
export function sameSlot(thread: Thread, first: u32, step: u32): bool {
  const slot = thread.slot;
  for (let index = first + step; index < thread.argc; index += step) {
    if (slotOf(argumentAt(thread, index), argumentLength(thread, index)) != slot) return false;
  }
  return true;
}

export function failCrossSlot(thread: Thread): i32 {
  return fail(thread, MESSAGE_CROSS_SLOT, MESSAGE_CROSS_SLOT_LENGTH);
}

/** Not leading here: a redirect, or wait for the take-over. */
function notLeading(thread: Thread, shard: Shard): i32 {
  thread.shardAddress = <u32>addressOfShard(shard);
  if (roleOf(shard) != ROLE_ELSEWHERE) return WAIT_SERVING;
  const start = thread.out;
  replyText(thread, MESSAGE_MOVED, MESSAGE_MOVED_LENGTH);
  thread.out += writeUnsigned(thread.out, thread.slot);
  store<u8>(thread.out++, 32);
  const length = readRedirect(shard, thread.out);
  if (length == 0) {
    thread.out = start;
    return fail(thread, MESSAGE_CLUSTER_DOWN, MESSAGE_CLUSTER_DOWN_LENGTH);
  }
  thread.out += length;
  store<u16>(thread.out, 0x0a0d);
  thread.out += 2;
  return failed(thread);
}

/** May the shard be read? `thread.leadership` is then what `mayAnswer` compares with. */
// @ts-ignore: decorator
@inline
export function gateOfRead(thread: Thread, shard: Shard): i32 {
  const leadership = leadershipOf(shard);
  thread.leadership = leadership;
  if (leadership & 1) return gateOfReplica(thread, shard);
  return thread.careful ? gateOfCarefulRead(thread, shard) : PROCEED;
}

/** A copy of what another node leads is read by connections in read-only mode, if it may be read. */
function gateOfReplica(thread: Thread, shard: Shard): i32 {
  if (connectionOf(thread).readOnly != 0 && isReplicaReadable(shard)) return PROCEED;
  return notLeading(thread, shard);
}

/**
 * A connection's reads see its writes, uncommitted ones too: so this one reads what was gathered, as the
 * shard's writer would, and its reply waits for the same batch.
 */
function gateOfCarefulRead(thread: Thread, shard: Shard): i32 {
  if (!shard.replicated || holds(thread, shard)) return PROCEED;
  return open(thread, shard);
}

/** Makes this thread the shard's writer. */
// @ts-ignore: decorator
@inline
export function gateOfWrite(thread: Thread, shard: Shard): i32 {
  if (leadershipOf(shard) & 1) return notLeading(thread, shard);
  // A careful read may hold it, and that asks less.
  if (holds(thread, shard) && !thread.careful) return PROCEED;
  return openForWriting(thread, shard);
}

function openForWriting(thread: Thread, shard: Shard): i32 {
  if (refusesOf(shard) & REFUSES_WRITES) {
    return fail(thread, MESSAGE_NO_REPLICAS, MESSAGE_NO_REPLICAS_LENGTH);
  }
  thread.shardAddress = <u32>addressOfShard(shard);
  if (!mayWrite(shard)) return WAIT_SERVING;
  return holds(thread, shard) ? PROCEED : open(thread, shard);
}

function open(thread: Thread, shard: Shard): i32 {
  thread.shardAddress = <u32>addressOfShard(shard);
  const opened = tryOpen(thread, shard);
  if (opened == LOCKED) return PROCEED;
  if (opened == BUSY) return WAIT_WRITER;
  return opened == FROZEN ? WAIT_FROZEN : WAIT_SERVING;
}

/** A read that must wait: its shard serves no reads just now. */
export function parkRead(thread: Thread, shard: Shard): i32 {
  thread.shardAddress = <u32>addressOfShard(shard);
  return WAIT_SERVING;
}

/**
 * The side that a command reads: once for the whole command, so that all its keys are of one moment.
 * It is the hidden one where this very call wrote to the shard: a connection sees its own writes.
 */
// @ts-ignore: decorator
@inline
export function sideToRead(thread: Thread, shard: Shard): Side {
  const hidden = holds(thread, shard) || (BREAK_READ_GATHERED && shard.replicated != 0);
  const side = hidden ? hiddenSide(shard) : visibleSide(shard);
  if (BREAK_ANNOUNCE_LATE) announceLate(thread);
  return sideOf(shard, side);
}

/** Record of a live key on a side, or 0. */
// @ts-ignore: decorator
@inline
export function lookUp(
  thread: Thread,
  shard: Shard,
  side: Side,
  hash: u64,
  key: usize,
  length: u32,
): usize {
  const slot = search(side, hash, key, length);
  if (slot == 0) return 0;
  const record = <usize>load<u32>(slot);
  if (isExpired(record, thread.nowMs)) {
    if (!holds(thread, shard)) reportExpired(shard, hash, record);
    return 0;
  }
  touch(record, thread.accessClock);
  if (PAUSE_READERS && !holds(thread, shard)) pauseReader(thread);
  return record;
}

/** Slot of a key on the hidden side, expired or not; 0: absent. The shard is open. */
// @ts-ignore: decorator
@inline
export function findForWriting(shard: Shard, hash: u64, key: usize, length: u32): usize {
  return search(sideOf(shard, hiddenSide(shard)), hash, key, length);
}

// @ts-ignore: decorator
@inline
export function keyFits(length: u32): bool {
  return length <= header().keyBytesMax;
}

export function failKeyTooLong(thread: Thread): i32 {
  return fail(thread, MESSAGE_KEY_TOO_LONG, MESSAGE_KEY_TOO_LONG_LENGTH);
}

/** Whether a reply that carries this record's value has room; else the output goes out first. */
export function valueHasRoom(thread: Thread, record: usize): bool {
  const length = valueLength(record, textScratch(thread));
  return length > COPIED_VALUE_BYTES_MAX || thread.out + length + 64 <= thread.outLimit;
}

/** Replies with the value: copied, or pinned if it is long. */
// @ts-ignore: decorator
@inline
export function replyValue(thread: Thread, record: usize): i32 {
  const scratch = textScratch(thread);
  const length = valueLength(record, scratch);
  if (length > COPIED_VALUE_BYTES_MAX) return replyLong(thread, record, length);
  if (thread.out + length + 64 > thread.outLimit) return STOP_OUTPUT_FULL;
  thread.out += writeBulk(thread.out, valueBytes(record, scratch), length);
  return PROCEED;
}

/** Replies with the value, copied however long it is: the caller has seen that it fits. */
export function replyCopied(thread: Thread, record: usize): void {
  const scratch = textScratch(thread);
  const length = valueLength(record, scratch);
  thread.out += writeBulk(thread.out, valueBytes(record, scratch), length);
}

function replyLong(thread: Thread, record: usize, length: u32): i32 {
  // A value this long is never inline; compressed forms will be unpacked into a blob here.
  if (formOf(record) != FORM_POINTER) unreachable();
  const blob = blobOf(record);
  holdBlob(blob);
  return replyPinned(thread, blob, length);
}

/** Hands a blob with one hold of it to JavaScript. */
export function replyPinned(thread: Thread, blob: usize, length: u32): i32 {
  thread.out += writeBulkHeader(thread.out, length);
  thread.address = <u32>blob;
  thread.length = length;
  return STOP_LONG_VALUE;
}
