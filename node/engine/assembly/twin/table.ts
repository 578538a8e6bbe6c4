/**
 * Swiss tables of bounded size: one leaf of a side's directory.
 *
 *   header (32 bytes) | 16 control bytes for each group | 16 references (u32) for each group
 *
 * A control byte is empty (0x80), deleted (0xFE) or the lowest 7 bits of the hash. A search compares
 * 16 of them in one SIMD instruction and goes on to the next group until a group has an empty byte.
 * The home group follows from the 32 hash bits behind the table's own prefix, in order: so the groups
 * of a table are in hash order, give or take displaced entries (see scan.ts).
 *
 * Tables grow through a ladder of sizes that fit the allocator's classes and are 70 to 87 % full; the
 * largest splits (directory.ts). A table is only ever changed while its side is hidden.
 */
import { TABLE_GROUPS_MAX } from '../generated/constants';
import { KIND_INDEX, Thread } from '../layout';
import { allocate, free } from '../memory/allocator';
import { hashKey } from '../memory/hash';
import { expires, hasKey, keyLength, keyOf } from './record';

const EMPTY: u8 = 0x80;
const DELETED: u8 = 0xfe;
const HEADER_BYTES: u32 = 32;
const GROUP_BYTES: u32 = 80;

@unmanaged
export class Table {
  groups: u32;
  /** Entries. */
  live: u32;
  /** Entries and deleted marks: what ends a search late. */
  used: u32;
  /** Leading bits of the hash that all entries share. */
  depth: u32;
  /** Overflow of a table at the greatest depth. */
  next: u32;
  /** Entries that expire. */
  expiring: u32;
  /** Highest sequence of a removal. */
  removal: u64;
}

// @ts-ignore: decorator
@inline
export function addressOfTable(table: Table): usize {
  return changetype<usize>(table);
}
// @ts-ignore: decorator
@inline
export function tableAt(address: usize): Table {
  return changetype<Table>(address);
}
// @ts-ignore: decorator
@inline
function controlOf(table: Table, group: u32): usize {
  return addressOfTable(table) + HEADER_BYTES + (<usize>group << 4);
}
// @ts-ignore: decorator
@inline
function slotsOf(table: Table, group: u32): usize {
  return addressOfTable(table) + HEADER_BYTES + (<usize>table.groups << 4) + (<usize>group << 6);
}
// @ts-ignore: decorator
@inline
export function bytesOfTable(groups: u32): u32 {
  return HEADER_BYTES + groups * GROUP_BYTES;
}
/** Slots that may be used: seven eighths. */
// @ts-ignore: decorator
@inline
export function room(groups: u32): u32 {
  return groups * 14;
}
// @ts-ignore: decorator
@inline
export function homeGroup(hash: u64, depth: u32, groups: u32): u32 {
  return <u32>((((hash << depth) >> 32) * <u64>groups) >> 32);
}

/** The next size up: sizes fit the allocator's classes, steps are a third to a half. */
export function nextGroups(groups: u32): u32 {
  if (groups < 1) return 1;
  if (groups < 2) return 2;
  if (groups < 4) return 4;
  if (groups < 6) return 6;
  if (groups < 8) return 8;
  if (groups < 12) return 12;
  if (groups < 18) return 18;
  if (groups < 25) return 25;
  if (groups < 38) return 38;
  if (groups < 50) return 50;
  return TABLE_GROUPS_MAX;
}

/** The smallest size with room for one entry more than `entries`. */
export function groupsFor(entries: u32): u32 {
  let groups = nextGroups(0);
  while (room(groups) <= entries && groups < TABLE_GROUPS_MAX) groups = nextGroups(groups);
  return groups;
}

/** An empty table, or 0. */
export function makeTable(thread: Thread, groups: u32, depth: u32, must: bool): Table {
  const address = allocate(thread, bytesOfTable(groups), KIND_INDEX, must);
  const table = tableAt(address);
  if (address == 0) return table;
  table.groups = groups;
  table.live = 0;
  table.used = 0;
  table.depth = depth;
  table.next = 0;
  table.expiring = 0;
  table.removal = 0;
  memory.fill(address + HEADER_BYTES, EMPTY, <usize>groups << 4);
  return table;
}

export function freeTable(thread: Thread, table: Table): void {
  free(thread, addressOfTable(table), bytesOfTable(table.groups), KIND_INDEX);
}

/** Address of the slot whose record has this key, or 0. */
// @ts-ignore: decorator
@inline
export function findKey(start: Table, hash: u64, key: usize, length: u32): usize {
  const pattern = i8x16.splat(<i8>(hash & 127));
  let table = start;
  while (true) {
    const groups = table.groups;
    let group = homeGroup(hash, table.depth, groups);
    while (true) {
      const control = v128.load(controlOf(table, group));
      let hits = i8x16.bitmask(i8x16.eq(control, pattern));
      while (hits != 0) {
        const slot = slotsOf(table, group) + (<usize>ctz(hits) << 2);
        if (hasKey(load<u32>(slot), key, length)) return slot;
        hits &= hits - 1;
      }
      if (i8x16.bitmask(i8x16.eq(control, i8x16.splat(<i8>EMPTY))) != 0) break;
      if (++group == groups) group = 0;
    }
    if (table.next == 0) return 0;
    table = tableAt(table.next);
  }
}

/** Where a search starts to look. */
// @ts-ignore: decorator
@inline
export function homeControl(table: Table, hash: u64): usize {
  return controlOf(table, homeGroup(hash, table.depth, table.groups));
}

/** The first slot of the home group that may hold a key of this hash, or 0: a guess, no key is read. */
// @ts-ignore: decorator
@inline
export function candidate(table: Table, hash: u64): usize {
  const group = homeGroup(hash, table.depth, table.groups);
  const control = v128.load(controlOf(table, group));
  const hits = i8x16.bitmask(i8x16.eq(control, i8x16.splat(<i8>(hash & 127))));
  return hits == 0 ? 0 : slotsOf(table, group) + (<usize>ctz(hits) << 2);
}

/** The slot of the home group that a new key would take, or 0: a guess. */
// @ts-ignore: decorator
@inline
export function openSlot(table: Table, hash: u64): usize {
  const group = homeGroup(hash, table.depth, table.groups);
  const open = i8x16.bitmask(v128.load(controlOf(table, group)));
  return open == 0 ? 0 : slotsOf(table, group) + (<usize>ctz(open) << 2);
}

/** Address of the slot that holds this very record, or 0: no key is read. */
export function findRecord(start: Table, hash: u64, record: u32): usize {
  const pattern = i8x16.splat(<i8>(hash & 127));
  let table = start;
  while (true) {
    const groups = table.groups;
    let group = homeGroup(hash, table.depth, groups);
    while (true) {
      const control = v128.load(controlOf(table, group));
      let hits = i8x16.bitmask(i8x16.eq(control, pattern));
      while (hits != 0) {
        const slot = slotsOf(table, group) + (<usize>ctz(hits) << 2);
        if (load<u32>(slot) == record) return slot;
        hits &= hits - 1;
      }
      if (i8x16.bitmask(i8x16.eq(control, i8x16.splat(<i8>EMPTY))) != 0) break;
      if (++group == groups) group = 0;
    }
    if (table.next == 0) return 0;
    table = tableAt(table.next);
  }
}

/** The table of a chain in which a slot address lies. */
export function tableOfSlot(start: Table, slot: usize): Table {
  let table = start;
  while (true) {
    const address = addressOfTable(table);
    if (slot > address && slot < address + bytesOfTable(table.groups)) return table;
    table = tableAt(table.next);
  }
}

/** Puts a record whose key is not in the table; the caller has seen that there is room. */
export function place(table: Table, hash: u64, record: u32): void {
  const groups = table.groups;
  let group = homeGroup(hash, table.depth, groups);
  while (true) {
    const control = controlOf(table, group);
    const open = i8x16.bitmask(v128.load(control));
    if (open != 0) {
      const index = <usize>ctz(open);
      if (load<u8>(control + index) == EMPTY) table.used++;
      store<u8>(control + index, <u8>(hash & 127));
      store<u32>(slotsOf(table, group) + (index << 2), record);
      table.live++;
      if (expires(record)) table.expiring++;
      return;
    }
    if (++group == groups) group = 0;
  }
}

/** Another record of the same key. */
// @ts-ignore: decorator
@inline
export function replace(table: Table, slot: usize, record: u32): void {
  if (expires(load<u32>(slot))) table.expiring--;
  if (expires(record)) table.expiring++;
  store<u32>(slot, record);
}

export function remove(table: Table, slot: usize, sequence: u64): void {
  const index = <u32>(slot - slotsOf(table, 0)) >> 2;
  const group = index >> 4;
  const control = controlOf(table, group);
  if (expires(load<u32>(slot))) table.expiring--;
  // No search went past a group that has an empty byte: then the slot may be empty again.
  const empties = i8x16.bitmask(i8x16.eq(v128.load(control), i8x16.splat(<i8>EMPTY)));
  store<u8>(control + (index & 15), empties != 0 ? EMPTY : DELETED);
  store<u32>(slot, 0);
  table.live--;
  if (empties != 0) table.used--;
  noteRemoval(table, sequence);
}

export function noteRemoval(table: Table, sequence: u64): void {
  if (sequence > table.removal) table.removal = sequence;
}

/** Record of the slot with this number (0..groups*16), or 0. */
// @ts-ignore: decorator
@inline
export function recordAt(table: Table, index: u32): u32 {
  if (load<u8>(controlOf(table, 0) + index) & 0x80) return 0;
  return load<u32>(slotsOf(table, 0) + (<usize>index << 2));
}

/** Whether a group has an empty byte: where searches end. */
// @ts-ignore: decorator
@inline
export function endsSearch(table: Table, group: u32): bool {
  return i8x16.bitmask(i8x16.eq(v128.load(controlOf(table, group)), i8x16.splat(<i8>EMPTY))) != 0;
}

// @ts-ignore: decorator
@inline
export function hashOfRecord(record: usize): u64 {
  return hashKey(keyOf(record), keyLength(record));
}

/** Loads all records of a table, so that the waits for them overlap: their keys are hashed next. */
export function touchRecords(thread: Thread, table: Table): void {
  let sum: u64 = 0;
  const slots = table.groups << 4;
  for (let index: u32 = 0; index < slots; index++) {
    const record = recordAt(table, index);
    if (record != 0) sum += load<u64>(record) + load<u64>(record, 28);
  }
  thread.touched = <u32>sum;
}

/** A table of another size with the same entries and no deleted marks, or 0. Frees the old one. */
export function rebuild(thread: Thread, from: Table, groups: u32, must: bool): Table {
  const to = makeTable(thread, groups, from.depth, must);
  if (addressOfTable(to) == 0) return to;
  to.next = from.next;
  to.removal = from.removal;
  touchRecords(thread, from);
  const slots = from.groups << 4;
  for (let index: u32 = 0; index < slots; index++) {
    const record = recordAt(from, index);
    if (record != 0) place(to, hashOfRecord(record), record);
  }
  freeTable(thread, from);
  return to;
}
