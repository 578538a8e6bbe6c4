/**
 * Typed operations, for gRPC: a chunk of them in a fixed binary form, answered in order in another.
 *
 *   operation: u8 kind, u8 flags, u16 0, u32 key length, u32 value length, u32 0,
 *              i64 expiry (ms), u64 version wanted, i64 by; then key, then value; padded to 8
 *   result:    u8 status, u8 flags, u8 reason, u8 0, u32 shard, u64 version, i64 number, i64 expiry,
 *              u32 value length, u32 pinned (0: the value follows, padded to 8)
 */
import {
  COPIED_VALUE_BYTES_MAX,
  OP_APPEND,
  OP_DELETE,
  OP_GET,
  OP_INCREMENT,
  OP_SET,
  OP_TOUCH,
  OUTPUT_WINDOW_BYTES,
  PARK_BUSY,
  PARK_FROZEN,
  PARK_NOT_SERVING,
  STATUS_CONDITION_FAILED,
  STATUS_NOT_AN_INTEGER,
  STATUS_NOT_ENOUGH_IN_SYNC,
  STATUS_NOT_FOUND,
  STATUS_NOT_LEADER,
  STATUS_OK,
  STATUS_OUT_OF_MEMORY,
  STATUS_OVERFLOW,
  STATUS_PARK,
  STATUS_TOO_LARGE,
  STATUS_VERSION_MISMATCH,
  STOP_DONE,
  STOP_OUTPUT_FULL,
} from './generated/constants';
import { findForWriting, lookUp, sideToRead } from './commands/access';
import {
  ADDED,
  addToKey,
  APPENDED,
  appendToKey,
  makeValue,
  NOT_AN_INTEGER,
  OVERFLOW,
  put,
  putExpiry,
  putNothing,
  TOO_LONG,
} from './commands/write';
import {
  awaitShard,
  isReplicaReadable,
  leadershipOf,
  mayAnswer,
  mayWrite,
  REFUSES_WRITES,
  refusesOf,
  roleOf,
} from './control';
import { header, outputWindow, textScratch, Thread } from './layout';
import { copyBytes } from './memory/bytes';
import { hashKey, slotOf } from './memory/hash';
import { Side, tableOf } from './twin/directory';
import { holds } from './twin/lock';
import {
  blobOf,
  dropBlob,
  expiryOrNone,
  FORM_POINTER,
  formOf,
  holdBlob,
  isExpired,
  valueBytes,
  valueLength,
  versionOf,
} from './twin/record';
import { hasRoomToReport } from './twin/gather';
import { enterSection, leaveSection } from './twin/sections';
import {
  addressOfShard,
  idOfShard,
  ROLE_ELSEWHERE,
  Shard,
  shardOfSlot,
  sideOf,
} from './twin/shard';
import {
  BUSY,
  FROZEN,
  hiddenSide,
  LOCKED,
  openWaiting,
  publishHeld,
  shouldPublish,
  STALE,
  tryOpen,
} from './twin/twin';

const OPERATION_BYTES: u32 = 40;
const RESULT_BYTES: u32 = 40;
const HAS_EXPIRY: u8 = 1;
const KEEP_EXPIRY: u8 = 2;
const IF_ABSENT: u8 = 4;
const IF_PRESENT: u8 = 8;
const IF_VERSION: u8 = 16;
const NO_EXPIRY: u8 = 32;
const ANY_REPLICA: u8 = 64;

const RESULT_VALUE: u8 = 1;
const RESULT_NUMBER: u8 = 2;
const RESULT_EXPIRY: u8 = 4;
const RESULT_VERSION: u8 = 8;
/** Internal: the shard's writer is busy. */
const STATUS_WAIT: i32 = 100;

@unmanaged
class Operation {
  kind: u8;
  flags: u8;
  reserved: u16;
  keyLength: u32;
  valueLength: u32;
  reserved1: u32;
  expiryMs: i64;
  version: u64;
  by: i64;
}

@unmanaged
class Result {
  status: u8;
  flags: u8;
  reason: u8;
  reserved: u8;
  shard: u32;
  version: u64;
  /** Of a parked operation: the publication counter to wait on. */
  number: i64;
  expiryMs: i64;
  valueLength: u32;
  pinned: u32;
}

// @ts-ignore: decorator
@inline
function padded(bytes: u32): u32 {
  return (bytes + 7) & ~7;
}

/** Runs operations in [start, end); results go to the output window from its start. */
export function executeOperations(thread: Thread, start: u32, end: u32): i32 {
  const window = <u32>outputWindow(thread);
  thread.position = start;
  thread.end = end;
  thread.out = window;
  thread.outLimit = window + OUTPUT_WINDOW_BYTES;
  thread.committedPosition = start;
  thread.committedOut = window;
  thread.armed = 0;
  let patient = true;
  while (true) {
    enterSection(thread);
    const stop = runOperations(thread, patient);
    leaveSection(thread);
    if (!publishHeld(thread)) {
      dropPins(thread.committedOut, thread.out, thread);
      thread.position = thread.committedPosition;
      thread.out = thread.committedOut;
      continue;
    }
    thread.committedPosition = thread.position;
    thread.committedOut = thread.out;
    // Without room to report, what is left comes with another call.
    const ends = stop == STOP_OUTPUT_FULL || !hasRoomToReport(thread);
    if (stop == STATUS_WAIT && !ends) {
      // One try to wait; then operations of busy shards are answered `park`.
      const shard = changetype<Shard>(<usize>thread.shardAddress);
      patient = openWaiting(thread, shard) == LOCKED;
      continue;
    }
    if (ends || thread.position >= thread.end) {
      thread.consumed = thread.position;
      thread.outputEnd = thread.out - window;
      return thread.position >= thread.end ? STOP_DONE : STOP_OUTPUT_FULL;
    }
  }
}

/** Pins of results that were taken back. */
function dropPins(from: u32, to: u32, thread: Thread): void {
  let at = from;
  while (at < to) {
    const result = changetype<Result>(<usize>at);
    if (result.pinned != 0) dropBlob(thread, result.pinned);
    at += RESULT_BYTES + (result.pinned != 0 ? 0 : padded(result.valueLength));
  }
}

function runOperations(thread: Thread, patient: bool): i32 {
  while (thread.position < thread.end) {
    if (thread.out + RESULT_BYTES + COPIED_VALUE_BYTES_MAX + 16 > thread.outLimit) {
      return STOP_OUTPUT_FULL;
    }
    const operation = changetype<Operation>(<usize>thread.position);
    const result = changetype<Result>(<usize>thread.out);
    memory.fill(thread.out, 0, RESULT_BYTES);
    const key = <usize>thread.position + OPERATION_BYTES;
    const shard = shardOfSlot(slotOf(key, operation.keyLength));
    result.shard = idOfShard(shard);
    let status = runOperation(thread, shard, operation, result, key);
    if (status == STATUS_WAIT) {
      if (patient) {
        thread.shardAddress = <u32>addressOfShard(shard);
        return STATUS_WAIT;
      }
      status = park(result, PARK_BUSY);
    }
    if (status == STATUS_PARK) {
      if (arm(thread, shard, result.reason == PARK_BUSY)) continue;
      result.number = thread.seen;
    }
    result.status = <u8>status;
    thread.out += RESULT_BYTES + (result.pinned != 0 ? 0 : padded(result.valueLength));
    thread.position += OPERATION_BYTES + padded(operation.keyLength + operation.valueLength);
    // What stands behind it on its shard must not overtake it, so the call ends here.
    if (status == STATUS_PARK) return STOP_OUTPUT_FULL;
    if (shouldPublish(thread)) return STOP_DONE;
  }
  return STOP_DONE;
}

/** True: asked to be woken, for the first time in this call. Looks once more: a change in between is not missed. */
function arm(thread: Thread, shard: Shard, forMutex: bool): bool {
  if (thread.armed == <u32>addressOfShard(shard)) return false;
  thread.armed = <u32>addressOfShard(shard);
  thread.seen = awaitShard(shard, forMutex);
  return true;
}

function park(result: Result, reason: u8): i32 {
  result.reason = reason;
  return STATUS_PARK;
}

function runOperation(
  thread: Thread,
  shard: Shard,
  operation: Operation,
  result: Result,
  key: usize,
): i32 {
  const leadership = leadershipOf(shard);
  const anyReplica = operation.kind == OP_GET && operation.flags & ANY_REPLICA;
  if (leadership & 1 && !(anyReplica && isReplicaReadable(shard))) {
    if (roleOf(shard) == ROLE_ELSEWHERE) return STATUS_NOT_LEADER;
    return park(result, PARK_NOT_SERVING);
  }
  const length = operation.keyLength;
  if (length > header().keyBytesMax || operation.valueLength > header().valueBytesMax) {
    return STATUS_TOO_LARGE;
  }
  const hash = hashKey(key, length);
  const kind = operation.kind;
  const reads =
    kind == OP_GET || (kind == OP_TOUCH && !(operation.flags & (HAS_EXPIRY | NO_EXPIRY)));
  // As of connections: a read behind a write of the same call sees it, committed or not.
  const careful = reads && thread.careful && shard.replicated && !(leadership & 1);
  // A careful read may hold it, and that asks less.
  if (!reads && (thread.careful || !holds(thread, shard))) {
    if (refusesOf(shard) & REFUSES_WRITES) return STATUS_NOT_ENOUGH_IN_SYNC;
    if (!mayWrite(shard)) return park(result, PARK_NOT_SERVING);
  }
  if (!holds(thread, shard) && (careful || !reads)) {
    const opened = tryOpen(thread, shard);
    if (opened == BUSY) return STATUS_WAIT;
    if (opened == FROZEN) return park(result, PARK_FROZEN);
    if (opened == STALE) return park(result, PARK_NOT_SERVING);
  }
  if (reads) return read(thread, shard, operation, result, key, hash, leadership);
  if (kind == OP_SET) return setOperation(thread, shard, operation, result, key, hash);
  if (kind == OP_DELETE) return deleteOperation(thread, shard, operation, result, key, hash);
  if (kind == OP_TOUCH) return touchOperation(thread, shard, operation, result, key, hash);
  const value = key + length;
  if (kind == OP_INCREMENT) {
    const added = addToKey(thread, shard, key, length, operation.by);
    if (added == NOT_AN_INTEGER) return STATUS_NOT_AN_INTEGER;
    if (added == OVERFLOW) return STATUS_OVERFLOW;
    if (added != ADDED) return STATUS_OUT_OF_MEMORY;
    result.number = thread.number;
  } else if (kind == OP_APPEND) {
    const done = appendToKey(thread, shard, key, length, value, operation.valueLength);
    if (done == TOO_LONG) return STATUS_TOO_LARGE;
    if (done != APPENDED) return STATUS_OUT_OF_MEMORY;
    result.number = thread.length;
  }
  result.flags |= RESULT_NUMBER;
  describe(result, load<u32>(findForWriting(shard, hash, key, length)));
  return STATUS_OK;
}

/** Version and expiry of the key as it is now. */
function describe(result: Result, record: usize): void {
  result.version = versionOf(record);
  result.flags |= RESULT_VERSION;
  const expiryMs = expiryOrNone(record);
  if (expiryMs < 0) return;
  result.expiryMs = expiryMs;
  result.flags |= RESULT_EXPIRY;
}

/** An absent key has the version of the last removal near it: never older than its own. */
function describeAbsent(side: Side, result: Result, hash: u64): void {
  result.version = tableOf(side, hash).removal;
  result.flags |= RESULT_VERSION;
}

function read(
  thread: Thread,
  shard: Shard,
  operation: Operation,
  result: Result,
  key: usize,
  hash: u64,
  leadership: u32,
): i32 {
  const side = sideToRead(thread, shard);
  const record = lookUp(thread, shard, side, hash, key, operation.keyLength);
  if (record == 0) describeAbsent(side, result, hash);
  else describe(result, record);
  if (!mayAnswer(thread, shard, leadership)) return park(result, PARK_NOT_SERVING);
  if (record == 0) return STATUS_NOT_FOUND;
  if (operation.kind == OP_GET) giveValue(thread, result, record);
  // A value copied after the leadership ended is not an answer.
  if (leadershipOf(shard) == leadership) return STATUS_OK;
  if (result.pinned != 0) dropBlob(thread, result.pinned);
  result.pinned = 0;
  result.valueLength = 0;
  return park(result, PARK_NOT_SERVING);
}

function giveValue(thread: Thread, result: Result, record: usize): void {
  const scratch = textScratch(thread);
  const length = valueLength(record, scratch);
  result.flags |= RESULT_VALUE;
  result.valueLength = length;
  if (length > COPIED_VALUE_BYTES_MAX && formOf(record) == FORM_POINTER) {
    holdBlob(blobOf(record));
    result.pinned = <u32>blobOf(record);
    return;
  }
  copyBytes(<usize>thread.out + RESULT_BYTES, valueBytes(record, scratch), length);
}

function setOperation(
  thread: Thread,
  shard: Shard,
  operation: Operation,
  result: Result,
  key: usize,
  hash: u64,
): i32 {
  const length = operation.keyLength;
  const flags = operation.flags;
  const slot = findForWriting(shard, hash, key, length);
  let old: usize = slot == 0 ? 0 : load<u32>(slot);
  if (old != 0 && isExpired(old, thread.nowMs)) old = 0;
  if (flags & IF_VERSION && !isVersion(shard, operation, hash, old)) {
    if (old != 0) describe(result, old);
    else describeAbsent(sideToRead(thread, shard), result, hash);
    return STATUS_VERSION_MISMATCH;
  }
  if ((flags & IF_ABSENT && old != 0) || (flags & IF_PRESENT && old == 0)) {
    if (old != 0) describe(result, old);
    else describeAbsent(sideToRead(thread, shard), result, hash);
    return STATUS_CONDITION_FAILED;
  }
  let expiryMs: i64 = -1;
  if (flags & HAS_EXPIRY) expiryMs = max<i64>(operation.expiryMs, 0);
  else if (flags & KEEP_EXPIRY && old != 0) expiryMs = expiryOrNone(old);
  const sequence = shard.sequence + 1;
  if (expiryMs >= 0 && expiryMs <= thread.nowMs) {
    if (slot != 0) {
      putNothing(thread, shard, hash, slot, sequence);
      shard.sequence = sequence;
    }
    describeAbsent(sideToRead(thread, shard), result, hash);
    return STATUS_OK;
  }
  const value = key + length;
  const record = makeValue(thread, key, length, value, operation.valueLength, expiryMs);
  if (record == 0 || !put(thread, shard, hash, slot, record, sequence, false)) {
    return STATUS_OUT_OF_MEMORY;
  }
  shard.sequence = sequence;
  describe(result, record);
  return STATUS_OK;
}

/**
 * Whether a key is still at the version that somebody read. Absent keys were given the version of the
 * last removal near them (0 before any): unchanged means that nothing near was removed since.
 */
function isVersion(shard: Shard, operation: Operation, hash: u64, record: usize): bool {
  if (record != 0) return versionOf(record) == operation.version;
  return tableOf(sideOf(shard, hiddenSide(shard)), hash).removal <= operation.version;
}

function deleteOperation(
  thread: Thread,
  shard: Shard,
  operation: Operation,
  result: Result,
  key: usize,
  hash: u64,
): i32 {
  const slot = findForWriting(shard, hash, key, operation.keyLength);
  if (slot == 0 || isExpired(load<u32>(slot), thread.nowMs)) {
    describeAbsent(sideToRead(thread, shard), result, hash);
    return STATUS_NOT_FOUND;
  }
  if (operation.flags & IF_VERSION && versionOf(load<u32>(slot)) != operation.version) {
    describe(result, load<u32>(slot));
    return STATUS_VERSION_MISMATCH;
  }
  const sequence = shard.sequence + 1;
  putNothing(thread, shard, hash, slot, sequence);
  shard.sequence = sequence;
  result.version = sequence;
  result.flags |= RESULT_VERSION;
  return STATUS_OK;
}

function touchOperation(
  thread: Thread,
  shard: Shard,
  operation: Operation,
  result: Result,
  key: usize,
  hash: u64,
): i32 {
  const slot = findForWriting(shard, hash, key, operation.keyLength);
  if (slot == 0 || isExpired(load<u32>(slot), thread.nowMs)) {
    describeAbsent(sideToRead(thread, shard), result, hash);
    return STATUS_NOT_FOUND;
  }
  const sequence = shard.sequence + 1;
  const expiryMs = operation.flags & NO_EXPIRY ? -1 : max<i64>(operation.expiryMs, 0);
  if (expiryMs >= 0 && expiryMs <= thread.nowMs) {
    putNothing(thread, shard, hash, slot, sequence);
    shard.sequence = sequence;
    describeAbsent(sideToRead(thread, shard), result, hash);
    return STATUS_OK;
  }
  if (expiryMs == expiryOrNone(load<u32>(slot))) {
    describe(result, load<u32>(slot));
    return STATUS_OK;
  }
  if (!putExpiry(thread, shard, hash, slot, expiryMs, sequence)) return STATUS_OUT_OF_MEMORY;
  shard.sequence = sequence;
  describe(result, load<u32>(findForWriting(shard, hash, key, operation.keyLength)));
  return STATUS_OK;
}
