/**
 * SCAN of one shard, in hash order. The cursor is the leading 52 bits of a hash: everything below it
 * was told. Home groups are in hash order too, so a step tells all records whose home is one group:
 * they lie from there on up to the first group with an empty byte. A record that is there during the
 * whole scan has its hash in exactly one step, whatever splits, grows or moves meanwhile.
 *
 * Result in the output window: for each record u32 key length, u32 value length, u64 version,
 * i64 expiry (-1: none), u32 pinned, u32 0, then key and (unless pinned) value, padded to 8.
 */
import {
  OUTPUT_WINDOW_BYTES,
  STATUS_NOT_LEADER,
  STATUS_OK,
  STATUS_PARK,
} from './generated/constants';
import { leadershipOf, mayAnswer, roleOf } from './control';
import { outputWindow, textScratch, Thread } from './layout';
import { copyBytes } from './memory/bytes';
import { tableOf } from './twin/directory';
import { EFFECT_PUT, emit } from './twin/effects';
import {
  blobOf,
  dropBlob,
  expiryOrNone,
  FORM_POINTER,
  formOf,
  holdBlob,
  isExpired,
  keyLength,
  keyOf,
  valueBytes,
  valueLength,
  versionOf,
} from './twin/record';
import { enterSection, leaveSection } from './twin/sections';
import { ROLE_ELSEWHERE, Shard, shardAt, sideOf, visibleSide } from './twin/shard';
import {
  endsSearch,
  hashOfRecord,
  homeGroup,
  recordAt,
  Table,
  tableAt,
} from './twin/table';

const ENTRY_BYTES: u32 = 32;
/** What is told of a record: key, key and value, or an effect for a snapshot (cut.ts), expired or not. */
export const TELL_KEYS: i32 = 0;
export const TELL_VALUES: i32 = 1;
export const TELL_EFFECTS: i32 = 2;
/** A value longer than this is pinned by a scan, so that a step fits the window with its keys. */
const SCANNED_VALUE_BYTES_MAX: u32 = 1024;
/** Lowest bits of a hash that a cursor does not have. */
const CURSOR_SHIFT: u64 = 12;

// @ts-ignore: decorator
@inline
function padded(bytes: u32): u32 {
  return (bytes + 7) & ~7;
}

/**
 * Tells records from `cursor` on until `keysMax` are told or `bytesMax` are in the window. The next
 * cursor is left in the thread (0: the end); `thread.length` is the number of records.
 */
export function scanShard(
  thread: Thread,
  id: u32,
  cursor: u64,
  keysMax: u32,
  bytesMax: u32,
  withValues: bool,
): i32 {
  const window = <u32>outputWindow(thread);
  const shard = shardAt(id);
  const leadership = leadershipOf(shard);
  thread.out = window;
  thread.length = 0;
  if (leadership & 1) return roleOf(shard) == ROLE_ELSEWHERE ? STATUS_NOT_LEADER : STATUS_PARK;
  enterSection(thread);
  const next = walk(thread, shard, cursor << CURSOR_SHIFT, keysMax, bytesMax, withValues);
  const valid = mayAnswer(thread, shard, leadership);
  leaveSection(thread);
  if (!valid) {
    dropPins(thread, window);
    return STATUS_PARK;
  }
  thread.scanCursor = next >> CURSOR_SHIFT;
  thread.outputEnd = thread.out - window;
  return STATUS_OK;
}

/** Walks home groups from `from` on; returns the hash to go on with, 0 at the end. */
function walk(
  thread: Thread,
  shard: Shard,
  from: u64,
  keysMax: u32,
  bytesMax: u32,
  withValues: bool,
): u64 {
  const window = <u32>outputWindow(thread);
  const side = sideOf(shard, visibleSide(shard));
  let hash = from;
  while (true) {
    const table = tableOf(side, hash);
    let next = endOfStep(table, hash);
    const before = thread.out;
    const told = thread.length;
    while (!tellStep(thread, table, hash, next, withValues ? TELL_VALUES : TELL_KEYS)) {
      dropPins(thread, before);
      thread.out = before;
      thread.length = told;
      // The step does not fit behind what is there: it comes with the next call.
      if (before != window) return hash;
      // Long keys: half the step, down to what one cursor can tell apart, which always fits.
      const half = next == hash ? <u64>1 << 63 : (next - hash) >> 1;
      next = hash + ((half >> CURSOR_SHIFT) << CURSOR_SHIFT);
      if (next == hash) unreachable();
    }
    hash = next;
    if (hash == 0) return 0;
    if (thread.length >= keysMax || thread.out - window >= bytesMax) return hash;
  }
}

/** First hash behind the home group of `hash` in its table; 0 behind the last. */
export function endOfStep(table: Table, hash: u64): u64 {
  const depth = table.depth;
  // A chain is told as a whole: its tables have groups of their own.
  if (table.next == 0) {
    const group = homeGroup(hash, depth, table.groups) + 1;
    if (group < table.groups) {
      const low = (((<u64>group << 32) + table.groups - 1) / table.groups) << (32 - depth);
      const prefix = depth == 0 ? 0 : (hash >> (64 - depth)) << (64 - depth);
      return prefix | low;
    }
  }
  if (depth == 0) return 0;
  return ((hash >> (64 - depth)) + 1) << (64 - depth);
}

export function tellStep(thread: Thread, table: Table, from: u64, next: u64, form: i32): bool {
  if (table.next == 0) return tellGroup(thread, table, from, next, form);
  let link = table;
  while (true) {
    const slots = link.groups << 4;
    for (let index: u32 = 0; index < slots; index++) {
      const record = recordAt(link, index);
      if (record == 0) continue;
      const hash = hashOfRecord(record);
      if (hash < from || (next != 0 && hash >= next)) continue;
      if (!tell(thread, record, form)) return false;
    }
    if (link.next == 0) return true;
    link = tableAt(link.next);
  }
}

function tellGroup(thread: Thread, table: Table, from: u64, next: u64, form: i32): bool {
  const groups = table.groups;
  const home = homeGroup(from, table.depth, groups);
  let group = home;
  while (true) {
    for (let index: u32 = 0; index < 16; index++) {
      const record = recordAt(table, (group << 4) + index);
      if (record == 0) continue;
      const hash = hashOfRecord(record);
      if (hash < from || (next != 0 && hash >= next)) continue;
      if (homeGroup(hash, table.depth, groups) != home) continue;
      if (!tell(thread, record, form)) return false;
    }
    if (endsSearch(table, group)) return true;
    if (++group == groups) group = 0;
    if (group == home) return true;
  }
}

/** Appends one record; false: it has no room. */
function tell(thread: Thread, record: usize, form: i32): bool {
  if (form == TELL_EFFECTS) return emit(thread, EFFECT_PUT, record, versionOf(record), true);
  if (isExpired(record, thread.nowMs)) return true;
  const limit = <u32>outputWindow(thread) + OUTPUT_WINDOW_BYTES;
  const scratch = textScratch(thread);
  const key = keyLength(record);
  const length = form == TELL_VALUES ? valueLength(record, scratch) : 0;
  const pins = length > SCANNED_VALUE_BYTES_MAX && formOf(record) == FORM_POINTER;
  const bytes = ENTRY_BYTES + padded(key + (pins ? 0 : length));
  if (thread.out + bytes > limit) return false;
  const entry = <usize>thread.out;
  store<u32>(entry, key);
  store<u32>(entry, length, 4);
  store<u64>(entry, versionOf(record), 8);
  store<i64>(entry, expiryOrNone(record), 16);
  store<u32>(entry, pins ? <u32>blobOf(record) : 0, 24);
  store<u32>(entry, 0, 28);
  copyBytes(entry + ENTRY_BYTES, keyOf(record), key);
  if (pins) holdBlob(blobOf(record));
  else if (length > 0) copyBytes(entry + ENTRY_BYTES + key, valueBytes(record, scratch), length);
  thread.out += bytes;
  thread.length++;
  return true;
}

function dropPins(thread: Thread, from: u32): void {
  let at = from;
  while (at < thread.out) {
    const key = load<u32>(at);
    const length = load<u32>(at, 4);
    const pinned = load<u32>(at, 24);
    if (pinned != 0) dropBlob(thread, pinned);
    at += ENTRY_BYTES + padded(key + (pinned != 0 ? 0 : length));
  }
}
