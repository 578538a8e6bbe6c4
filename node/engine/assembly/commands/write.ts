/**
 * The changes that commands and typed operations share. The shard is open; `sequence` is the one of
 * the whole command: a command is one entry of the log, however many keys it has.
 */
import { INLINE_VALUE_BYTES_MAX } from '../generated/constants';
import { REFUSES_MEMORY, refusesOf } from '../control';
import { header, joinScratch, KIND_RECORDS, textScratch, Thread } from '../layout';
import { copyBytes } from '../memory/bytes';
import { hashKey } from '../memory/hash';
import { isInteger, parsedInteger } from '../resp/numbers';
import {
  dropBlob,
  expiryOrNone,
  FORM_INTEGER,
  formOf,
  freeRecord,
  integerOf,
  isExpired,
  makeBlob,
  recordOfBlob,
  recordOfBytes,
  recordOfInteger,
  recordOfShort,
  recordWithExpiry,
  setVersion,
  valueBytes,
  valueLength,
} from '../twin/record';
import { Shard } from '../twin/shard';
import { write } from '../twin/twin';
import { findForWriting } from './access';
import { argumentAt, argumentLength } from './names';

/**
 * Stores a finished record for a key found (or not) at `slot`. False: no memory, here or at a follower;
 * the record is freed.
 */
export function put(
  thread: Thread,
  shard: Shard,
  hash: u64,
  slot: usize,
  record: usize,
  sequence: u64,
  must: bool,
): bool {
  const before = slot == 0 ? 0 : load<u32>(slot);
  setVersion(record, sequence);
  const refused = !must && refusesOf(shard) & REFUSES_MEMORY;
  if (!refused && write(thread, shard, hash, before, <u32>record, sequence, must, slot)) return true;
  freeRecord(thread, record);
  return false;
}

/** A record for key and value: as an integer where that is shorter. 0: no memory. */
// @ts-ignore: decorator
@inline
export function makeValue(
  thread: Thread,
  key: usize,
  length: u32,
  value: usize,
  bytes: u32,
  expiryMs: i64,
): usize {
  // Four bytes hold at least five digits: shorter strings gain nothing.
  if (bytes - 5 <= 15 && INLINE_VALUE_BYTES_MAX > 0 && isInteger(value, bytes)) {
    const number = parsedInteger(value, bytes);
    return recordOfInteger(thread, key, length, number, expiryMs, false);
  }
  if (length < 255 && bytes <= INLINE_VALUE_BYTES_MAX && expiryMs < 0) {
    return recordOfShort(thread, key, length, value, bytes);
  }
  return recordOfBytes(thread, key, length, value, bytes, expiryMs);
}

/** Sets the key at argument `index` to a value. False: no memory, nothing changed. */
// @ts-ignore: decorator
@inline
export function putBytes(
  thread: Thread,
  shard: Shard,
  hash: u64,
  slot: usize,
  index: u32,
  value: usize,
  bytes: u32,
  expiryMs: i64,
  sequence: u64,
): bool {
  const key = argumentAt(thread, index);
  const length = argumentLength(thread, index);
  const record = makeValue(thread, key, length, value, bytes, expiryMs);
  return record != 0 && put(thread, shard, hash, slot, record, sequence, false);
}

/** Removes the record at `slot`. Deleting never fails: it is how memory comes back. */
export function putNothing(
  thread: Thread,
  shard: Shard,
  hash: u64,
  slot: usize,
  sequence: u64,
): void {
  write(thread, shard, hash, load<u32>(slot), 0, sequence, true, slot);
}

/** Gives the record at `slot` another expiry (-1: none); it may pass the budget, as in Redis. */
export function putExpiry(
  thread: Thread,
  shard: Shard,
  hash: u64,
  slot: usize,
  expiryMs: i64,
  sequence: u64,
): bool {
  const record = recordWithExpiry(thread, load<u32>(slot), expiryMs, true);
  return record != 0 && put(thread, shard, hash, slot, record, sequence, true);
}

export const ADDED: i32 = 0;
export const NOT_AN_INTEGER: i32 = 1;
export const OVERFLOW: i32 = 2;
export const NO_MEMORY: i32 = 3;
export const TOO_LONG: i32 = 4;
export const APPENDED: i32 = 0;

/** Adds to an integer (0 where the key is absent). The sum is left in `thread.number`. */
export function addToKey(thread: Thread, shard: Shard, key: usize, length: u32, by: i64): i32 {
  const hash = hashKey(key, length);
  const slot = findForWriting(shard, hash, key, length);
  let value: i64 = 0;
  let expiryMs: i64 = -1;
  if (slot != 0 && !isExpired(load<u32>(slot), thread.nowMs)) {
    const record = <usize>load<u32>(slot);
    expiryMs = expiryOrNone(record);
    if (formOf(record) == FORM_INTEGER) {
      value = integerOf(record);
    } else {
      const bytes = valueLength(record, textScratch(thread));
      const from = valueBytes(record, textScratch(thread));
      if (!isInteger(from, bytes)) return NOT_AN_INTEGER;
      value = parsedInteger(from, bytes);
    }
  }
  const sum = value + by;
  // Overflow: both summands have the sign that the sum has not.
  if (((value ^ sum) & (by ^ sum)) < 0) return OVERFLOW;
  const record = recordOfInteger(thread, key, length, sum, expiryMs, false);
  if (record == 0) return NO_MEMORY;
  const sequence = shard.sequence + 1;
  if (!put(thread, shard, hash, slot, record, sequence, false)) return NO_MEMORY;
  shard.sequence = sequence;
  thread.number = sum;
  return ADDED;
}

/** Appends to a value ("" where the key is absent). The new length is left in `thread.length`. */
export function appendToKey(
  thread: Thread,
  shard: Shard,
  key: usize,
  length: u32,
  value: usize,
  bytes: u32,
): i32 {
  const hash = hashKey(key, length);
  const slot = findForWriting(shard, hash, key, length);
  const scratch = textScratch(thread);
  let from: usize = 0;
  let old: u32 = 0;
  let expiryMs: i64 = -1;
  if (slot != 0 && !isExpired(load<u32>(slot), thread.nowMs)) {
    const before = <usize>load<u32>(slot);
    old = valueLength(before, scratch);
    from = valueBytes(before, scratch);
    expiryMs = expiryOrNone(before);
  }
  const total = old + bytes;
  if (total > header().valueBytesMax) return TOO_LONG;
  thread.length = total;
  let record: usize;
  if (total <= INLINE_VALUE_BYTES_MAX || total <= 24) {
    const joined = joinScratch(thread);
    copyBytes(joined, from, old);
    copyBytes(joined + old, value, bytes);
    record = makeValue(thread, key, length, joined, total, expiryMs);
  } else {
    const blob = makeBlob(thread, total, KIND_RECORDS);
    if (blob == 0) return NO_MEMORY;
    copyBytes(blob, from, old);
    copyBytes(blob + old, value, bytes);
    record = recordOfBlob(thread, key, length, blob, total, expiryMs, false);
    if (record == 0) dropBlob(thread, blob);
  }
  if (record == 0) return NO_MEMORY;
  const sequence = shard.sequence + 1;
  if (!put(thread, shard, hash, slot, record, sequence, false)) return NO_MEMORY;
  shard.sequence = sequence;
  return APPENDED;
}
