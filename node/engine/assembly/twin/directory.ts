/**
 * A side: a directory of tables chosen by the leading bits of the hash (extendible hashing). A full
 * table splits into two; the directory doubles when a table is as deep as it; beyond the greatest
 * depth a table chains. So growth moves at most some 900 references at once, whatever the size.
 *
 * The two sides of a twin grow for themselves and need not have the same shape.
 */
import { DIRECTORY_DEPTH_MAX, TABLE_GROUPS_MAX } from '../generated/constants';
import { Header, KIND_INDEX, Thread } from '../layout';
import { allocate, free, grossBytes } from '../memory/allocator';
import {
  addressOfTable,
  bytesOfTable,
  findKey,
  findRecord,
  freeTable,
  groupsFor,
  hashOfRecord,
  makeTable,
  nextGroups,
  noteRemoval,
  place,
  rebuild,
  recordAt,
  remove,
  replace,
  room,
  Table,
  tableAt,
  tableOfSlot,
  touchRecords,
} from './table';

@unmanaged
export class Side {
  /** Address of 2^depth table addresses. */
  tables: u32;
  depth: u32;
  /** Bytes that this side grew by and the other has not yet. */
  owedBytes: u32;
  reserved: u32;
}

// @ts-ignore: decorator
@inline
export function indexOf(hash: u64, depth: u32): u32 {
  // Two shifts: a shift by 64 is a shift by 0.
  return <u32>(hash >> 1 >> (63 - depth));
}
// @ts-ignore: decorator
@inline
export function tableOf(side: Side, hash: u64): Table {
  return tableAt(load<u32>(side.tables + (<usize>indexOf(hash, side.depth) << 2)));
}

/** An empty side; false: no memory. */
export function makeSide(thread: Thread, side: Side): bool {
  const tables = allocate(thread, 4, KIND_INDEX, false);
  if (tables == 0) return false;
  const table = makeTable(thread, 1, 0, false);
  if (addressOfTable(table) == 0) {
    free(thread, tables, 4, KIND_INDEX);
    return false;
  }
  store<u32>(tables, <u32>addressOfTable(table));
  side.tables = <u32>tables;
  side.depth = 0;
  side.owedBytes = 0;
  return true;
}

/** Frees directory and tables, not the records. */
export function dropSide(thread: Thread, side: Side): void {
  const entries: u32 = 1 << side.depth;
  let index: u32 = 0;
  while (index < entries) {
    let table = tableAt(load<u32>(side.tables + (<usize>index << 2)));
    index += <u32>1 << (side.depth - table.depth);
    while (addressOfTable(table) != 0) {
      const next = tableAt(table.next);
      freeTable(thread, table);
      table = next;
    }
  }
  free(thread, side.tables, entries << 2, KIND_INDEX);
  side.tables = 0;
  settle(side);
}

/** Slot of a key, or 0. */
// @ts-ignore: decorator
@inline
export function search(side: Side, hash: u64, key: usize, length: u32): usize {
  return findKey(tableOf(side, hash), hash, key, length);
}

/**
 * Sets the reference of a key from `before` to `after` (0: absent), on a hidden side. False: no
 * memory, and nothing has changed. With `must` it does not fail. `known`: its slot, if just found.
 */
export function change(
  thread: Thread,
  side: Side,
  hash: u64,
  before: u32,
  after: u32,
  sequence: u64,
  must: bool,
  known: usize = 0,
): bool {
  const table = tableOf(side, hash);
  if (before == 0) return insert(thread, side, hash, after, must);
  const slot = known != 0 ? known : findRecord(table, hash, before);
  // A reference that must be there and is not: the twin is broken, nothing may go on.
  if (slot == 0) unreachable();
  const owner = table.next == 0 ? table : tableOfSlot(table, slot);
  if (after != 0) {
    replace(owner, slot, after);
  } else {
    remove(owner, slot, sequence);
    noteRemoval(table, sequence);
  }
  return true;
}

/**
 * After the rollback of a removal: no table of the hidden side that covers `hash`, or was split from
 * one that did, keeps the sequence of a removal that never was. The other side knows the true ones.
 */
export function restoreRemovals(side: Side, visible: Side, hash: u64): void {
  const from = tableOf(visible, hash);
  const first = firstHash(hash, min(from.depth, tableOf(side, hash).depth));
  const last = lastHash(hash, min(from.depth, tableOf(side, hash).depth));
  let at = first;
  while (true) {
    const table = tableOf(side, at);
    table.removal = highestRemoval(visible, firstHash(at, table.depth), lastHash(at, table.depth));
    const end = lastHash(at, table.depth);
    if (end >= last) return;
    at = end + 1;
  }
}

/** Highest sequence of a removal in any table that covers a hash from `first` to `last`. */
export function highestRemoval(side: Side, first: u64, last: u64): u64 {
  let highest: u64 = 0;
  let at = first;
  while (true) {
    const table = tableOf(side, at);
    highest = max(highest, table.removal);
    const end = lastHash(at, table.depth);
    if (end >= last) return highest;
    at = end + 1;
  }
}

/** Notes a removal in all tables that cover a hash from `first` to `last`. Harmless on a visible side. */
export function raiseRemovals(side: Side, first: u64, last: u64, sequence: u64): void {
  let at = first;
  while (true) {
    const table = tableOf(side, at);
    noteRemoval(table, sequence);
    const end = lastHash(at, table.depth);
    if (end >= last) return;
    at = end + 1;
  }
}

/** The first hash, and the last, that share the leading `depth` bits of `hash`. */
function firstHash(hash: u64, depth: u32): u64 {
  return depth == 0 ? 0 : (hash >> (64 - depth)) << (64 - depth);
}
function lastHash(hash: u64, depth: u32): u64 {
  return depth == 0 ? u64.MAX_VALUE : hash | (u64.MAX_VALUE >> depth);
}

function insert(thread: Thread, side: Side, hash: u64, record: u32, must: bool): bool {
  while (true) {
    let table = tableOf(side, hash);
    while (table.used >= room(table.groups) && table.next != 0) table = tableAt(table.next);
    if (table.used < room(table.groups)) {
      place(table, hash, record);
      return true;
    }
    if (!grow(thread, side, hash, table, must)) return false;
  }
}

/** Makes room where a full table is. */
function grow(thread: Thread, side: Side, hash: u64, table: Table, must: bool): bool {
  // Many deleted marks: the same size without them is enough.
  if (table.live < room(table.groups) - (room(table.groups) >> 2)) {
    return resize(thread, side, hash, table, table.groups, must);
  }
  if (table.groups < TABLE_GROUPS_MAX) {
    return resize(thread, side, hash, table, nextGroups(table.groups), must);
  }
  if (table.depth < DIRECTORY_DEPTH_MAX) return split(thread, side, hash, table, must);
  const link = makeTable(thread, nextGroups(0), table.depth, must);
  if (addressOfTable(link) == 0) return false;
  table.next = <u32>addressOfTable(link);
  owe(side, grossBytes(bytesOfTable(link.groups)), must);
  return true;
}

/** Index memory that the other side will want at its replay is kept back from the budget till then. */
function owe(side: Side, bytes: u32, must: bool): void {
  if (must) return;
  atomic.add<u32>(64 + offsetof<Header>('owedBytes'), bytes);
  side.owedBytes += bytes;
}

/** After the replay of what a side holds: nothing is owed for it any more. */
export function settle(side: Side): void {
  if (side.owedBytes == 0) return;
  atomic.sub<u32>(64 + offsetof<Header>('owedBytes'), side.owedBytes);
  side.owedBytes = 0;
}

function resize(
  thread: Thread,
  side: Side,
  hash: u64,
  table: Table,
  groups: u32,
  must: bool,
): bool {
  const old = table.groups;
  const address = <u32>addressOfTable(table);
  const head = tableOf(side, hash);
  const rebuilt = rebuild(thread, table, groups, must);
  if (addressOfTable(rebuilt) == 0) return false;
  if (groups > old) owe(side, grossBytes(bytesOfTable(groups)) - grossBytes(bytesOfTable(old)), must);
  if (<u32>addressOfTable(head) == address) {
    point(side, hash, rebuilt, rebuilt.depth);
    return true;
  }
  let link = head;
  while (link.next != address) link = tableAt(link.next);
  link.next = <u32>addressOfTable(rebuilt);
  return true;
}

/** Lets all directory entries that share the first `depth` bits of `hash` point to a table. */
function point(side: Side, hash: u64, table: Table, depth: u32): void {
  const span = side.depth - depth;
  const first = (indexOf(hash, side.depth) >> span) << span;
  const count = <u32>1 << span;
  for (let index: u32 = 0; index < count; index++) {
    store<u32>(side.tables + (<usize>(first + index) << 2), <u32>addressOfTable(table));
  }
}

function split(thread: Thread, side: Side, hash: u64, table: Table, must: bool): bool {
  if (table.depth == side.depth && !double(thread, side, must)) return false;
  const depth = table.depth + 1;
  const groups = groupsFor((table.live >> 1) + (table.live >> 4));
  let low = makeTable(thread, groups, depth, must);
  if (addressOfTable(low) == 0) return false;
  let high = makeTable(thread, groups, depth, must);
  if (addressOfTable(high) == 0) {
    freeTable(thread, low);
    return false;
  }
  low.removal = table.removal;
  high.removal = table.removal;
  touchRecords(thread, table);
  const slots = table.groups << 4;
  for (let index: u32 = 0; index < slots; index++) {
    const record = recordAt(table, index);
    if (record == 0) continue;
    const ofRecord = hashOfRecord(record);
    const isHigh = ((ofRecord >> (64 - depth)) & 1) != 0;
    let to = isHigh ? high : low;
    if (to.used >= room(to.groups)) {
      const larger = rebuild(thread, to, nextGroups(to.groups), must);
      if (addressOfTable(larger) == 0) {
        freeTable(thread, low);
        freeTable(thread, high);
        return false;
      }
      if (isHigh) high = larger;
      else low = larger;
      to = larger;
    }
    place(to, ofRecord, record);
  }
  const bit = <u64>1 << (64 - depth);
  point(side, hash & ~bit, low, depth);
  point(side, hash | bit, high, depth);
  owe(
    side,
    grossBytes(bytesOfTable(low.groups)) +
      grossBytes(bytesOfTable(high.groups)) -
      grossBytes(bytesOfTable(table.groups)),
    must,
  );
  freeTable(thread, table);
  return true;
}

/** Doubles the directory; every table is then named twice as often. */
function double(thread: Thread, side: Side, must: bool): bool {
  const entries: u32 = 1 << side.depth;
  const tables = allocate(thread, entries << 3, KIND_INDEX, must);
  if (tables == 0) return false;
  for (let index: u32 = 0; index < entries; index++) {
    const table = load<u32>(side.tables + (<usize>index << 2));
    store<u32>(tables + (<usize>index << 3), table);
    store<u32>(tables + (<usize>index << 3), table, 4);
  }
  owe(side, grossBytes(entries << 3), must);
  free(thread, side.tables, entries << 2, KIND_INDEX);
  side.tables = <u32>tables;
  side.depth++;
  return true;
}

/**
 * Rebuilds the table at `hash` smaller if most of it is empty (deletions never shrink a table by
 * themselves). The side is hidden and holds no uncommitted change.
 */
export function shrink(thread: Thread, side: Side, hash: u64): void {
  const table = tableOf(side, hash);
  if (table.next != 0 || table.groups == 1) return;
  const wanted = groupsFor(table.live + (table.live >> 2));
  if (wanted << 1 > table.groups) return;
  resize(thread, side, hash, table, wanted, false);
}
