/**
 * A copy that follows: applies whole entries of the log, and cuts of a snapshot, to a shard that is not
 * led here. JavaScript gives the bytes through the exchange window, piece by piece; what does not hold
 * together, or has no memory, takes everything back. All becomes visible at once, at the end.
 *
 * An effect whose version is not above that of the record that is there changes nothing: so entries may
 * be older than a cut that came before them, and may come twice.
 */
import { INLINE_VALUE_BYTES_MAX } from '../generated/constants';
import { leadershipOf } from '../control';
import { exchangeWindow, KIND_RECORDS, snapshotOf, Thread } from '../layout';
import { copyBytes } from '../memory/bytes';
import { hashKey } from '../memory/hash';
import { raiseRemovals, search } from './directory';
import {
  BATCH_HEADER_BYTES,
  EFFECT_BYTES,
  EFFECT_EXPIRE,
  EFFECT_EXPIRES,
  EFFECT_FLAGS,
  EFFECT_INTEGER,
  EFFECT_PUT,
  EFFECT_REMOVE,
  KIND_MASK,
} from './effects';
import { tryLock, unlock, wake } from './lock';
import {
  dropBlob,
  freeRecord,
  makeBlob,
  recordOfBlob,
  recordOfBytes,
  recordOfInteger,
  recordOfShort,
  recordWithExpiry,
  setVersion,
  versionOf,
} from './record';
import { takeSnapshot, waitForDrain } from './sections';
import {
  drainSnapshot,
  EXISTS,
  Shard,
  sideOf,
  STATE_IDLE,
  STATE_OPEN,
  STATE_SWAPPED,
  visibleSide,
} from './shard';
import { touchAhead } from './touch';
import { finish, hiddenSide, keepSnapshot, rollbackTo, swap, write } from './twin';

export const BEGUN: i32 = 1;
export const NOT_NOW: i32 = 0;
export const NOT_A_COPY: i32 = -1;
/** What JavaScript hears instead of a number of bytes. */
export const MALFORMED: i32 = -1;
export const OUT_OF_MEMORY: i32 = -2;

/** Makes this thread the writer of a copy. */
export function beginApply(thread: Thread, shard: Shard): i32 {
  if (!tryLock(thread, shard)) return NOT_NOW;
  if (shard.state == STATE_SWAPPED && !finish(thread, shard)) {
    unlock(shard);
    return NOT_NOW;
  }
  if (shard.exists != EXISTS || !(leadershipOf(shard) & 1) || shard.state != STATE_IDLE) {
    unlock(shard);
    return NOT_A_COPY;
  }
  shard.state = STATE_OPEN;
  shard.batchSequence = shard.sequence;
  thread.effects = 0;
  return BEGUN;
}

/** What JavaScript hears of a whole content; `NOT_NOW` and `NOT_A_COPY` are among it. */
export const WHOLE_MALFORMED: i32 = -2;
export const WHOLE_OUT_OF_MEMORY: i32 = -3;

/** A content of `length` bytes that lies whole in the window: 1, or why nothing was done. */
export function applyWhole(thread: Thread, shard: Shard, length: u32): i32 {
  const window = exchangeWindow(thread);
  const sequence = load<u64>(window, 8);
  const effects = load<u32>(window, 4);
  const begun = beginApply(thread, shard);
  if (begun != BEGUN) return begun;
  const from = window + BATCH_HEADER_BYTES;
  const taken = applyEffects(thread, shard, from, length - BATCH_HEADER_BYTES, 0, true);
  if (taken == OUT_OF_MEMORY) {
    giveUpApply(thread, shard);
    return WHOLE_OUT_OF_MEMORY;
  }
  if (<u32>taken != length - BATCH_HEADER_BYTES || thread.effects != effects) {
    giveUpApply(thread, shard);
    return WHOLE_MALFORMED;
  }
  endApply(thread, shard, sequence);
  return BEGUN;
}

/** Makes all of it visible, raises the sequence, and lets go of the shard. */
export function endApply(thread: Thread, shard: Shard, sequence: u64): void {
  thread.heldEntries = 0;
  thread.heldGarbage = 0;
  shard.sequence = max(shard.sequence, sequence);
  if (shard.logEntries == 0) {
    shard.state = STATE_IDLE;
  } else {
    swap(shard);
    shard.state = STATE_SWAPPED;
  }
  shard.committedSequence = shard.sequence;
  if (shard.state == STATE_SWAPPED) {
    takeSnapshot(thread);
    keepSnapshot(thread, shard);
    if (waitForDrain(snapshotOf(thread))) finish(thread, shard);
  }
  unlock(shard);
}

/** Takes all of it back, and lets go of the shard. */
export function giveUpApply(thread: Thread, shard: Shard): void {
  thread.heldEntries = 0;
  thread.heldGarbage = 0;
  rollbackTo(thread, shard, 0);
  shard.state = STATE_IDLE;
  unlock(shard);
}

/**
 * Applies the effects in the first `length` bytes of the window; `behind`: how many bytes of the content
 * come after them. Returns the bytes taken, which may end within a long value: then the thread's `fill`
 * says where its rest belongs. An effect that does not lie whole in the window waits for the next piece.
 */
export function applyPiece(
  thread: Thread,
  shard: Shard,
  length: u32,
  behind: u32,
  must: bool,
): i32 {
  return applyEffects(thread, shard, exchangeWindow(thread), length, behind, must);
}

function applyEffects(
  thread: Thread,
  shard: Shard,
  start: usize,
  length: u32,
  behind: u32,
  must: bool,
): i32 {
  const end = start + length;
  let at = start;
  thread.fill = 0;
  thread.fillBytes = 0;
  let touched = at;
  while (at < end) {
    if (at >= touched) touched = touchAhead(thread, shard, at, end);
    const left = <u32>(end - at);
    const taken = applyOne(thread, shard, at, left, behind, must);
    if (taken < 0) return taken;
    if (taken == 0) break;
    thread.effects++;
    at += taken;
    if (thread.fillBytes != 0) break;
  }
  return <i32>(at - start);
}

/** Bytes taken of the effect at `at`; 0: it lies not whole in the `left` bytes there, its long value apart. */
function applyOne(
  thread: Thread,
  shard: Shard,
  at: usize,
  left: u32,
  behind: u32,
  must: bool,
): i32 {
  if (left < EFFECT_BYTES) return cut(behind);
  const head = <u32>load<u8>(at);
  const kind = head & KIND_MASK;
  if (head & ~EFFECT_FLAGS || kind > EFFECT_EXPIRE) return MALFORMED;
  const version = <u64>load<u32>(at, 4) | (<u64>load<u16>(at, 8) << 32);
  let keyBytes = <u32>load<u8>(at, 1);
  let valueBytes = <u32>load<u16>(at, 2);
  const longKey = keyBytes == 255;
  const longValue = valueBytes == 65535;
  const header =
    EFFECT_BYTES +
    (head & EFFECT_EXPIRES ? 8 : 0) +
    (longKey ? 4 : 0) +
    (longValue ? 4 : 0);
  if (left < header) return cut(behind);
  let expiryMs: i64 = -1;
  let from = at + EFFECT_BYTES;
  if (head & EFFECT_EXPIRES) {
    expiryMs = load<i64>(from);
    from += 8;
    if (expiryMs < 0) return MALFORMED;
  }
  if (longKey) {
    keyBytes = load<u32>(from);
    from += 4;
  }
  if (longValue) {
    valueBytes = load<u32>(from);
    from += 4;
  }
  const whole = <u64>header + <u64>keyBytes + <u64>valueBytes;
  if (keyBytes > 65536 || whole > <u64>left + <u64>behind) return MALFORMED;
  if (kind != EFFECT_PUT && valueBytes != 0) return MALFORMED;
  if (header + keyBytes > left) return 0;
  const hash = hashKey(from, keyBytes);
  const slot = search(sideOf(shard, hiddenSide(shard)), hash, from, keyBytes);
  const before: usize = slot == 0 ? 0 : load<u32>(slot);
  const isNews = before == 0 || versionOf(before) < version;
  const there = min<u32>(valueBytes, left - header - keyBytes);
  if (kind == EFFECT_PUT) {
    // A value that is not long is not cut: it waits for the rest of it.
    if (there < valueBytes && (valueBytes <= 65535 || there < 4)) return 0;
    if (head & EFFECT_INTEGER && !isIntegerLength(valueBytes)) return MALFORMED;
    const put = isNews
      ? putEffect(thread, shard, hash, slot, from, keyBytes, valueBytes, there, expiryMs, version, head, must)
      : true;
    if (!put) return OUT_OF_MEMORY;
    thread.fillBytes = valueBytes - there;
    return <i32>(header + keyBytes + there);
  }
  if (kind == EFFECT_REMOVE) {
    if (before != 0 && isNews) {
      if (!write(thread, shard, hash, <u32>before, 0, version, must, slot)) return OUT_OF_MEMORY;
    } else if (before == 0) {
      raiseRemovals(sideOf(shard, 0), hash, hash, version);
      raiseRemovals(sideOf(shard, 1), hash, hash, version);
    }
  } else if (before != 0 && isNews) {
    const record = recordWithExpiry(thread, before, expiryMs, must);
    if (record == 0 || !put(thread, shard, hash, slot, record, version, must)) return OUT_OF_MEMORY;
  }
  return <i32>(header + keyBytes);
}

/** Nothing comes behind what is cut: then it is damaged. */
// @ts-ignore: decorator
@inline
function cut(behind: u32): i32 {
  return behind == 0 ? MALFORMED : 0;
}

// @ts-ignore: decorator
@inline
function isIntegerLength(bytes: u32): bool {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

function put(
  thread: Thread,
  shard: Shard,
  hash: u64,
  slot: usize,
  record: usize,
  version: u64,
  must: bool,
): bool {
  const before: u32 = slot == 0 ? 0 : load<u32>(slot);
  setVersion(record, version);
  if (write(thread, shard, hash, before, <u32>record, version, must, slot)) return true;
  freeRecord(thread, record);
  return false;
}

/** `there`: how much of the value is in the window; the rest goes to the thread's `fill`. */
function putEffect(
  thread: Thread,
  shard: Shard,
  hash: u64,
  slot: usize,
  key: usize,
  keyBytes: u32,
  bytes: u32,
  there: u32,
  expiryMs: i64,
  version: u64,
  head: u32,
  must: bool,
): bool {
  const value = key + keyBytes;
  let record: usize;
  if (head & EFFECT_INTEGER) {
    record = recordOfInteger(thread, key, keyBytes, integerAt(value, bytes), expiryMs, must);
  } else if (keyBytes < 255 && bytes <= INLINE_VALUE_BYTES_MAX && expiryMs < 0) {
    record = recordOfShort(thread, key, keyBytes, value, bytes, must);
  } else if (bytes <= INLINE_VALUE_BYTES_MAX) {
    record = recordOfBytes(thread, key, keyBytes, value, bytes, expiryMs, must);
  } else {
    record = recordOfLong(thread, key, keyBytes, bytes, there, expiryMs, must);
  }
  return record != 0 && put(thread, shard, hash, slot, record, version, must);
}

function recordOfLong(
  thread: Thread,
  key: usize,
  keyBytes: u32,
  bytes: u32,
  there: u32,
  expiryMs: i64,
  must: bool,
): usize {
  const blob = makeBlob(thread, bytes, KIND_RECORDS, must);
  if (blob == 0) return 0;
  copyBytes(blob, key + keyBytes, there);
  const record = recordOfBlob(thread, key, keyBytes, blob, bytes, expiryMs, must);
  if (record == 0) dropBlob(thread, blob);
  else if (there < bytes) thread.fill = <u32>(blob + there);
  return record;
}

function integerAt(at: usize, bytes: u32): i64 {
  if (bytes == 1) return <i64>load<i8>(at);
  if (bytes == 2) return <i64>load<i16>(at);
  if (bytes == 4) return <i64>load<i32>(at);
  return load<i64>(at);
}

/** After a cut: removals of its range that the leader knows of. Readers may look on. */
export function noteRemovals(shard: Shard, first: u64, last: u64, sequence: u64): void {
  raiseRemovals(sideOf(shard, 0), first, last, sequence);
  raiseRemovals(sideOf(shard, 1), first, last, sequence);
}
