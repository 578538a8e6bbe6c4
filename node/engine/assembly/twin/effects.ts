/**
 * Effects: what a batch is made of on its way to other copies, and what a snapshot is made of.
 *
 *   content of a batch: u8 form (1), 3 bytes 0, u32 number of effects, u64 highest version, effects
 *   cut of a snapshot:  u8 form (2), 3 bytes 0, u32 number of effects, u64 committed sequence,
 *                       u64 first hash, u64 last hash, u64 highest removal in that range, effects
 *   effect:             u8 kind (2 bits) and flags, u8 length of the key (255: see below),
 *                       u16 length of the value (65535: see below), u48 version,
 *                       [i64 expiry] [u32 length of the key] [u32 length of the value] key value
 *
 * Little-endian, nothing aligned. A value is bytes, or with its flag an integer in 1, 2, 4 or 8 bytes,
 * as its record has it. Compressed forms will have other numbers.
 *
 * They are written into the exchange window of a thread, piece by piece. A long value does not go
 * through it: a list that grows down from the window's end says where JavaScript copies it from.
 */
import { EXCHANGE_WINDOW_BYTES, EXCHANGED_VALUE_BYTES_MAX } from '../generated/constants';
import { exchangeWindow, textScratch, Thread } from '../layout';
import { copyBytes } from '../memory/bytes';
import {
  blobOf,
  cellOf,
  expires,
  expiryOf,
  FORM_INTEGER,
  FORM_POINTER,
  formOf,
  holdBlob,
  inlineLength,
  keyLength,
  keyOf,
  valueLength,
  versionOf,
} from './record';
import { search, Side, tableOf } from './directory';
import { Shard, sideOf, visibleSide } from './shard';
import { findRecord } from './table';
import { ENTRY_KIND, entryAt, hiddenSide, slotInEntry } from './twin';

export const FORM_BATCH: u8 = 1;
export const FORM_CUT: u8 = 2;
export const BATCH_HEADER_BYTES: u32 = 16;
export const CUT_HEADER_BYTES: u32 = 40;

export const EFFECT_PUT: u32 = 0;
export const EFFECT_REMOVE: u32 = 1;
export const EFFECT_EXPIRE: u32 = 2;
export const KIND_MASK: u32 = 3;
export const EFFECT_EXPIRES: u32 = 4;
export const EFFECT_INTEGER: u32 = 8;
export const EFFECT_FLAGS: u32 = 15;
export const EFFECT_BYTES: u32 = 10;
/** Of an entry of a log that a later one of its batch makes void. */
const SUPERSEDED: u32 = 3;
const LONG_ENTRY_BYTES: u32 = 12;

/** Bytes of a value as an effect carries it. */
// @ts-ignore: decorator
@inline
function carriedLength(record: usize): u32 {
  return formOf(record) == FORM_POINTER ? valueLength(record, 0) : inlineLength(record);
}

/** Whether a record has the long value that its key has on a side: EXPIRE shares it. */
function sharesValue(side: Side, hash: u64, record: usize): bool {
  const slot = search(side, hash, keyOf(record), keyLength(record));
  if (slot == 0) return false;
  const other = <usize>load<u32>(slot);
  return formOf(other) == FORM_POINTER && blobOf(other) == blobOf(record);
}

/**
 * What the followers hear of an entry of a batch's log. Of several changes of a key only the last one:
 * the others are not there any more when the batch becomes visible.
 */
function kindOfEntry(shard: Shard, entry: usize): u32 {
  const hash = load<u64>(entry);
  const after = load<u32>(entry, 16);
  const hidden = sideOf(shard, hiddenSide(shard));
  if (after == 0) {
    const before = <usize>load<u32>(entry, 20);
    const again = search(hidden, hash, keyOf(before), keyLength(before)) != 0;
    return again ? SUPERSEDED : EFFECT_REMOVE;
  }
  const table = tableOf(hidden, hash);
  const known = slotInEntry(table, entry);
  const isLast = (known != 0 && load<u32>(known) == after) || findRecord(table, hash, after) != 0;
  if (!isLast) return SUPERSEDED;
  if (formOf(after) != FORM_POINTER) return EFFECT_PUT;
  return sharesValue(sideOf(shard, visibleSide(shard)), hash, after) ? EFFECT_EXPIRE : EFFECT_PUT;
}

function bytesOf(kind: u32, record: usize): u32 {
  const key = keyLength(record);
  const value = kind == EFFECT_PUT ? carriedLength(record) : 0;
  return (
    EFFECT_BYTES +
    (kind != EFFECT_REMOVE && expires(record) ? 8 : 0) +
    (key >= 255 ? 4 : 0) +
    (value >= 65535 ? 4 : 0) +
    key +
    value
  );
}

/** The record whose key an entry is about. */
// @ts-ignore: decorator
@inline
function recordOfEntry(entry: usize): usize {
  const after = load<u32>(entry, 16);
  return after != 0 ? after : load<u32>(entry, 20);
}

/** Bytes that an entry takes in a content at most. */
export function bytesAtMost(entry: usize): u32 {
  const kind = load<u32>(entry, 16) == 0 ? EFFECT_REMOVE : EFFECT_PUT;
  return bytesOf(kind, recordOfEntry(entry));
}

/**
 * Notes in each entry of a frozen batch what the followers hear of it. Bytes of the content and number of
 * effects are left in the thread.
 */
export function markBatch(thread: Thread, shard: Shard): void {
  let bytes = BATCH_HEADER_BYTES;
  let effects: u32 = 0;
  for (let index: u32 = 0; index < shard.logEntries; index++) {
    const entry = entryAt(shard, index);
    const kind = kindOfEntry(shard, entry);
    store<u8>(entry, <u8>kind, ENTRY_KIND);
    if (kind == SUPERSEDED) continue;
    bytes += bytesOf(kind, recordOfEntry(entry));
    effects++;
  }
  thread.sealBytes = bytes;
  thread.effects = effects;
}

/** Empties the window; the first `bytes` are the caller's to fill. */
export function beginExchange(thread: Thread, bytes: u32): void {
  thread.exchangeEnd = bytes;
  thread.exchangeLong = 0;
}

/** Appends an effect; false: it has no room. `pins`: holds long values for JavaScript. */
export function emit(thread: Thread, kind: u32, record: usize, version: u64, pins: bool): bool {
  const key = keyLength(record);
  const value = kind == EFFECT_PUT ? carriedLength(record) : 0;
  const long = value > EXCHANGED_VALUE_BYTES_MAX;
  const list = (thread.exchangeLong + 1) * LONG_ENTRY_BYTES;
  const most = thread.exchangeEnd + EFFECT_BYTES + 16 + key + (long ? 0 : value) + list;
  if (most > EXCHANGE_WINDOW_BYTES) return false;
  const window = exchangeWindow(thread);
  const effect = window + thread.exchangeEnd;
  const hasExpiry = kind != EFFECT_REMOVE && expires(record);
  const flags =
    (hasExpiry ? EFFECT_EXPIRES : 0) |
    (kind == EFFECT_PUT && formOf(record) == FORM_INTEGER ? EFFECT_INTEGER : 0);
  store<u8>(effect, <u8>(kind | flags));
  store<u8>(effect, <u8>min<u32>(key, 255), 1);
  store<u16>(effect, <u16>min<u32>(value, 65535), 2);
  store<u32>(effect, <u32>version, 4);
  store<u16>(effect, <u16>(version >> 32), 8);
  let at = effect + EFFECT_BYTES;
  if (hasExpiry) {
    store<i64>(at, expiryOf(record));
    at += 8;
  }
  if (key >= 255) {
    store<u32>(at, key);
    at += 4;
  }
  if (value >= 65535) {
    store<u32>(at, value);
    at += 4;
  }
  copyBytes(at, keyOf(record), key);
  at += key;
  if (long) {
    const blob = blobOf(record);
    if (pins) holdBlob(blob);
    const entry = window + EXCHANGE_WINDOW_BYTES - list;
    store<u32>(entry, <u32>(at - window));
    store<u32>(entry, <u32>blob, 4);
    store<u32>(entry, value, 8);
    thread.exchangeLong++;
  } else if (value != 0) {
    copyBytes(at, formOf(record) == FORM_POINTER ? blobOf(record) : cellOf(record), value);
    at += value;
  }
  thread.exchangeEnd = <u32>(at - window);
  thread.effects++;
  return true;
}

/** Bytes of the long values in the window's list. */
export function longBytes(thread: Thread): u64 {
  let bytes: u64 = 0;
  const end = exchangeWindow(thread) + EXCHANGE_WINDOW_BYTES;
  for (let index: u32 = 1; index <= thread.exchangeLong; index++) {
    bytes += load<u32>(end - <usize>index * LONG_ENTRY_BYTES, 8);
  }
  return bytes;
}

/** Long value number `index` of the list: its blob. */
export function longBlob(thread: Thread, index: u32): usize {
  const end = exchangeWindow(thread) + EXCHANGE_WINDOW_BYTES;
  return load<u32>(end - <usize>(index + 1) * LONG_ENTRY_BYTES, 4);
}

/** Writes the header of a marked batch, and as many effects as fit. */
export function beginEncoding(thread: Thread, shard: Shard): void {
  const window = exchangeWindow(thread);
  store<u32>(window, FORM_BATCH);
  store<u32>(window, thread.effects, 4);
  store<u64>(window, shard.sequence, 8);
  beginExchange(thread, BATCH_HEADER_BYTES);
  thread.sealNext = 0;
  thread.sealEntries = shard.logEntries;
  appendEffects(thread, shard);
}

/** Goes on with an empty window where the last piece ended. */
export function goOnEncoding(thread: Thread, shard: Shard): void {
  beginExchange(thread, 0);
  appendEffects(thread, shard);
}

function appendEffects(thread: Thread, shard: Shard): void {
  let index = thread.sealNext;
  for (; index < shard.logEntries; index++) {
    const entry = entryAt(shard, index);
    const kind = <u32>load<u8>(entry, ENTRY_KIND);
    if (kind == SUPERSEDED) continue;
    if (!emit(thread, kind, recordOfEntry(entry), load<u64>(entry, 8), false)) break;
  }
  thread.sealNext = index;
}
