/**
 * Records: key and value of one key, once, for both sides of a twin. A record never changes but for
 * its access bits; a write makes a new one.
 *
 *    0  u32  access (24 bits, relaxed) | form (8 bits)
 *    4  u48  version: the shard's sequence of the write
 *   10  u8   length of the key; 255: a u32 with the length stands before the key
 *   11  u8   length of an inline value, or of an integer in bytes
 *   12  [i64 expiry, ms since the epoch]  [u32 length of the key]  key  cell
 *
 * The cell holds a short value itself (inline), or an integer in 1, 2, 4 or 8 bytes, or for a long
 * value its length, first four bytes and the address of a blob. Compressed values will be further
 * forms of the same cell. A blob starts with a count (of records and pins that hold it) and its
 * length: a record with another header (EXPIRE) shares it, a pin outlives the record.
 */
import { INLINE_VALUE_BYTES_MAX } from '../generated/constants';
import { KIND_BUFFERS, KIND_RECORDS, Thread } from '../layout';
import { allocate, free, grossBytes } from '../memory/allocator';
import { copyBytes, equalBytes } from '../memory/bytes';
import { writeInteger } from '../resp/numbers';

const HEADER_BYTES: u32 = 12;
const FORM_MASK: u32 = 7;
export const FORM_INLINE: u32 = 0;
export const FORM_POINTER: u32 = 1;
export const FORM_INTEGER: u32 = 2;
const FLAG_EXPIRES: u32 = 8;
const POINTER_CELL_BYTES: u32 = 12;
const BLOB_HEADER_BYTES: u32 = 8;

// @ts-ignore: decorator
@inline
export function formOf(record: usize): u32 {
  return <u32>load<u8>(record, 3) & FORM_MASK;
}
// @ts-ignore: decorator
@inline
export function versionOf(record: usize): u64 {
  return load<u64>(record, 2) >> 16;
}
// @ts-ignore: decorator
@inline
export function expires(record: usize): bool {
  return (<u32>load<u8>(record, 3) & FLAG_EXPIRES) != 0;
}
/** Absolute milliseconds; only of a record that expires. */
// @ts-ignore: decorator
@inline
export function expiryOf(record: usize): i64 {
  return load<i64>(record, 12);
}
/** Absolute milliseconds, or -1. */
// @ts-ignore: decorator
@inline
export function expiryOrNone(record: usize): i64 {
  return expires(record) ? expiryOf(record) : -1;
}
// @ts-ignore: decorator
@inline
export function isExpired(record: usize, nowMs: i64): bool {
  return expires(record) && expiryOf(record) <= nowMs;
}
// @ts-ignore: decorator
@inline
function keyStart(record: usize): usize {
  return (
    record +
    HEADER_BYTES +
    (<u32>load<u8>(record, 3) & FLAG_EXPIRES) +
    (load<u8>(record, 10) == 255 ? 4 : 0)
  );
}
// @ts-ignore: decorator
@inline
export function keyLength(record: usize): u32 {
  const short = <u32>load<u8>(record, 10);
  if (short != 255) return short;
  return load<u32>(record + HEADER_BYTES + (<u32>load<u8>(record, 3) & FLAG_EXPIRES));
}
// @ts-ignore: decorator
@inline
export function keyOf(record: usize): usize {
  return keyStart(record);
}
// @ts-ignore: decorator
@inline
export function cellOf(record: usize): usize {
  return keyStart(record) + keyLength(record);
}
// @ts-ignore: decorator
@inline
export function hasKey(record: usize, key: usize, length: u32): bool {
  return keyLength(record) == length && equalBytes(keyStart(record), key, length);
}

/** Notes the time of an access for eviction; a store only when the clock (8 s) moved on. */
// @ts-ignore: decorator
@inline
export function touch(record: usize, accessClock: u32): void {
  const word = load<u32>(record);
  if ((word & 0xffffff) != accessClock) store<u32>(record, (word & 0xff000000) | accessClock);
}

// @ts-ignore: decorator
@inline
export function integerOf(record: usize): i64 {
  const cell = cellOf(record);
  const bytes = load<u8>(record, 11);
  if (bytes == 1) return <i64>load<i8>(cell);
  if (bytes == 2) return <i64>load<i16>(cell);
  if (bytes == 4) return <i64>load<i32>(cell);
  return load<i64>(cell);
}
// @ts-ignore: decorator
@inline
export function isInline(record: usize): bool {
  return formOf(record) == FORM_INLINE;
}
// @ts-ignore: decorator
@inline
export function inlineLength(record: usize): u32 {
  return load<u8>(record, 11);
}
// @ts-ignore: decorator
@inline
export function blobOf(record: usize): usize {
  return load<u32>(cellOf(record), 8);
}

/** Address and length of the value's bytes. An integer is written out into `scratch` (24 bytes). */
// @ts-ignore: decorator
@inline
export function valueLength(record: usize, scratch: usize): u32 {
  const form = formOf(record);
  if (form == FORM_INLINE) return load<u8>(record, 11);
  if (form == FORM_POINTER) return load<u32>(cellOf(record));
  return writeInteger(scratch, integerOf(record));
}
// @ts-ignore: decorator
@inline
export function valueBytes(record: usize, scratch: usize): usize {
  const form = formOf(record);
  if (form == FORM_INLINE) return cellOf(record);
  if (form == FORM_POINTER) return blobOf(record);
  return scratch;
}

/** Makes a blob with one holder; its bytes are the caller's to fill. 0: no memory. */
export function makeBlob(thread: Thread, length: u32, kind: i32, must: bool = false): usize {
  const block = allocate(thread, length + BLOB_HEADER_BYTES, kind, must);
  if (block == 0) return 0;
  store<u32>(block, 1);
  store<u32>(block, length | (kind == KIND_BUFFERS ? 0x80000000 : 0), 4);
  return block + BLOB_HEADER_BYTES;
}

export function holdBlob(blob: usize): void {
  atomic.add<u32>(blob - BLOB_HEADER_BYTES, 1);
}

/** The last of its holders frees a blob. */
export function dropBlob(thread: Thread, blob: usize): void {
  if (atomic.sub<u32>(blob - BLOB_HEADER_BYTES, 1) != 1) return;
  const word = load<u32>(blob - 4);
  free(
    thread,
    blob - BLOB_HEADER_BYTES,
    (word & 0x7fffffff) + BLOB_HEADER_BYTES,
    word & 0x80000000 ? KIND_BUFFERS : KIND_RECORDS,
  );
}

// @ts-ignore: decorator
@inline
function integerBytes(value: i64): u32 {
  if (value == <i64>(<i8>value)) return 1;
  if (value == <i64>(<i16>value)) return 2;
  return value == <i64>(<i32>value) ? 4 : 8;
}

/** Header and key of a record whose cell takes `cellBytes`; 0: no memory. */
// @ts-ignore: decorator
@inline
function makeRecord(
  thread: Thread,
  form: u32,
  expiryMs: i64,
  key: usize,
  length: u32,
  cellBytes: u32,
  must: bool,
): usize {
  const extra: u32 = (expiryMs >= 0 ? 8 : 0) + (length >= 255 ? 4 : 0);
  const record = allocate(thread, HEADER_BYTES + extra + length + cellBytes, KIND_RECORDS, must);
  if (record == 0) return 0;
  const flags = form | (expiryMs >= 0 ? FLAG_EXPIRES : 0);
  store<u32>(record, (flags << 24) | thread.accessClock);
  let at = record + HEADER_BYTES;
  if (expiryMs >= 0) {
    store<i64>(at, expiryMs);
    at += 8;
  }
  if (length >= 255) {
    store<u8>(record, 255, 10);
    store<u32>(at, length);
    at += 4;
  } else {
    store<u8>(record, <u8>length, 10);
  }
  copyBytes(at, key, length);
  return record;
}

/** The usual record: a short key and a short value, no expiry. 0: no memory. */
// @ts-ignore: decorator
@inline
export function recordOfShort(
  thread: Thread,
  key: usize,
  length: u32,
  value: usize,
  bytes: u32,
  must: bool = false,
): usize {
  const record = allocate(thread, HEADER_BYTES + length + bytes, KIND_RECORDS, must);
  if (record == 0) return 0;
  store<u32>(record, (FORM_INLINE << 24) | thread.accessClock);
  store<u16>(record, <u16>(length | (bytes << 8)), 10);
  copyBytes(record + HEADER_BYTES, key, length);
  copyBytes(record + HEADER_BYTES + length, value, bytes);
  return record;
}

/** A record without its version (`setVersion`), value copied from `value`. 0: no memory. */
export function recordOfBytes(
  thread: Thread,
  key: usize,
  length: u32,
  value: usize,
  bytes: u32,
  expiryMs: i64,
  must: bool = false,
): usize {
  if (bytes <= INLINE_VALUE_BYTES_MAX) {
    const record = makeRecord(thread, FORM_INLINE, expiryMs, key, length, bytes, must);
    if (record == 0) return 0;
    store<u8>(record, <u8>bytes, 11);
    copyBytes(cellOf(record), value, bytes);
    return record;
  }
  const blob = makeBlob(thread, bytes, KIND_RECORDS, must);
  if (blob == 0) return 0;
  copyBytes(blob, value, bytes);
  const record = recordOfBlob(thread, key, length, blob, bytes, expiryMs, must);
  if (record == 0) dropBlob(thread, blob);
  return record;
}

/** Takes over the caller's hold of the blob. 0: no memory, and the caller still holds it. */
export function recordOfBlob(
  thread: Thread,
  key: usize,
  length: u32,
  blob: usize,
  bytes: u32,
  expiryMs: i64,
  must: bool,
): usize {
  const cellBytes = POINTER_CELL_BYTES;
  const record = makeRecord(thread, FORM_POINTER, expiryMs, key, length, cellBytes, must);
  if (record == 0) return 0;
  store<u8>(record, 0, 11);
  const cell = cellOf(record);
  store<u32>(cell, bytes);
  store<u32>(cell, bytes >= 4 ? load<u32>(blob) : 0, 4);
  store<u32>(cell, <u32>blob, 8);
  return record;
}

export function recordOfInteger(
  thread: Thread,
  key: usize,
  length: u32,
  value: i64,
  expiryMs: i64,
  must: bool,
): usize {
  const bytes = integerBytes(value);
  const record = makeRecord(thread, FORM_INTEGER, expiryMs, key, length, bytes, must);
  if (record == 0) return 0;
  store<u8>(record, <u8>bytes, 11);
  const cell = cellOf(record);
  if (bytes == 1) store<u8>(cell, <u8>value);
  else if (bytes == 2) store<u16>(cell, <u16>value);
  else if (bytes == 4) store<u32>(cell, <u32>value);
  else store<u64>(cell, <u64>value);
  return record;
}

/** The same key and value with another expiry (-1: none); a long value is shared. 0: no memory. */
export function recordWithExpiry(thread: Thread, from: usize, expiryMs: i64, must: bool): usize {
  const key = keyOf(from);
  const length = keyLength(from);
  const form = formOf(from);
  if (form == FORM_INTEGER) {
    return recordOfInteger(thread, key, length, integerOf(from), expiryMs, must);
  }
  if (form == FORM_POINTER) {
    const blob = blobOf(from);
    const bytes = load<u32>(cellOf(from));
    const record = recordOfBlob(thread, key, length, blob, bytes, expiryMs, must);
    if (record != 0) holdBlob(blob);
    return record;
  }
  const bytes = <u32>load<u8>(from, 11);
  const record = makeRecord(thread, FORM_INLINE, expiryMs, key, length, bytes, must);
  if (record == 0) return 0;
  store<u8>(record, <u8>bytes, 11);
  copyBytes(cellOf(record), cellOf(from), bytes);
  return record;
}

// @ts-ignore: decorator
@inline
export function setVersion(record: usize, version: u64): void {
  store<u32>(record, <u32>version, 4);
  store<u16>(record, <u16>(version >> 32), 8);
}

/** What the record itself takes, its blob apart. */
// @ts-ignore: decorator
@inline
function ownBytes(record: usize): u32 {
  const cellBytes =
    formOf(record) == FORM_POINTER ? POINTER_CELL_BYTES : <u32>load<u8>(record, 11);
  return <u32>(cellOf(record) - record) + cellBytes;
}

/** Bytes of key and value with all that storing them costs, for a shard's statistics. */
// @ts-ignore: decorator
@inline
export function footprint(record: usize): u32 {
  let bytes = grossBytes(ownBytes(record));
  if (formOf(record) == FORM_POINTER) {
    bytes += grossBytes(load<u32>(cellOf(record)) + BLOB_HEADER_BYTES);
  }
  return bytes;
}

/** Whether two records take the same bytes for sure: form, expiry and both lengths are equal. */
// @ts-ignore: decorator
@inline
export function sameShape(a: usize, b: usize): bool {
  return (
    formOf(a) != FORM_POINTER &&
    load<u8>(a, 3) == load<u8>(b, 3) &&
    load<u8>(a, 10) != 255 &&
    load<u16>(a, 10) == load<u16>(b, 10)
  );
}

export function freeRecord(thread: Thread, record: usize): void {
  const bytes = ownBytes(record);
  if (formOf(record) == FORM_POINTER) dropBlob(thread, blobOf(record));
  free(thread, record, bytes, KIND_RECORDS);
}
