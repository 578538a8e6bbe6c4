/**
 * The twin of a shard: changes of the hidden side, publication, swap, drain, replay, rollback.
 * The picture is in shard.ts; what becomes of the batches of replicated shards is in gather.ts.
 *
 * The log of a batch has an entry of 32 bytes for each change: hash, sequence, reference after,
 * reference before, place in its table and the groups of that. Replaying needs no key: the other
 * side holds exactly the references `before`, and mostly at the same place of a table of that shape.
 * A reference stands in a side once, so where it is found, it is the one.
 */
import {
  BATCH_CONTENT_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  BATCH_GARBAGE_BYTES_MAX,
  BREAK_FREE_EARLY,
  BREAK_JOIN_FROZEN,
  BREAK_SKIP_REPLAY,
  BREAK_SWAP_FIRST,
} from '../generated/constants';
import { KIND_INDEX, snapshotOf, Thread } from '../layout';
import { allocate, free } from '../memory/allocator';
import { change, restoreRemovals, settle, tableOf } from './directory';
import { gather } from './gather';
import { lockWaiting, tryLock, unlock, unlockUnchanged } from './lock';
import { expires, footprint, freeRecord, sameShape } from './record';
import { hasDrained, takeSnapshot, waitForDrain } from './sections';
import {
  addressOfShard,
  drainSnapshot,
  Shard,
  sideOf,
  STATE_FROZEN,
  STATE_GATHERED,
  STATE_IDLE,
  STATE_OPEN,
  STATE_SWAPPED,
  visibleSide,
} from './shard';
import { addressOfTable, bytesOfTable, noteRemoval, replace, Table } from './table';

export const LOG_ENTRY_BYTES: u32 = 32;
/** Byte of an entry, behind the groups, where a sealed batch notes what followers hear of it (effects.ts). */
export const ENTRY_KIND: usize = 31;
/** Entries of a log that is kept between batches. */
export const LOG_ENTRIES_KEPT: u32 = 64;

export const LOCKED: i32 = 0;
export const BUSY: i32 = 1;
/** A batch is out, or the gathered one is full. */
export const FROZEN: i32 = 2;
/** The gathered batch is of a leadership that has ended. */
export const STALE: i32 = 3;

// @ts-ignore: decorator
@inline
export function entryAt(shard: Shard, index: u32): usize {
  return <usize>shard.log + <usize>index * LOG_ENTRY_BYTES;
}
// @ts-ignore: decorator
@inline
export function hiddenSide(shard: Shard): u32 {
  return BREAK_SWAP_FIRST ? shard.side : 1 - shard.side;
}

/** Makes this thread the writer of a shard, without waiting. */
export function tryOpen(thread: Thread, shard: Shard): i32 {
  if (!tryLock(thread, shard)) return BUSY;
  return opened(thread, shard);
}

/** The same, waiting at most about 2 ms; in no section, holding nothing. */
export function openWaiting(thread: Thread, shard: Shard): i32 {
  if (!lockWaiting(thread, shard)) return BUSY;
  if (shard.state == STATE_SWAPPED && !waitForDrain(drainSnapshot(shard))) {
    unlockUnchanged(shard);
    return BUSY;
  }
  return opened(thread, shard);
}

function opened(thread: Thread, shard: Shard): i32 {
  if (shard.state == STATE_SWAPPED && !finish(thread, shard)) {
    unlockUnchanged(shard);
    return BUSY;
  }
  const leadership = atomic.load<u32>(addressOfShard(shard));
  if (shard.state == STATE_IDLE) {
    shard.batchSequence = shard.sequence;
    shard.batchLeadership = leadership;
  } else {
    const refusal = whyNotJoin(shard, leadership);
    if (refusal != LOCKED) {
      unlockUnchanged(shard);
      return refusal;
    }
  }
  shard.state = STATE_OPEN;
  shard.openEntries = shard.logEntries;
  shard.openSequence = shard.sequence;
  shard.nextHeld = thread.held;
  thread.held = <u32>addressOfShard(shard);
  if (BREAK_SWAP_FIRST) swap(shard);
  return LOCKED;
}

/** Of a frozen or gathered batch. A full one takes no more calls: so a long pipeline ends somewhere. */
function whyNotJoin(shard: Shard, leadership: u32): i32 {
  if (shard.state == STATE_FROZEN && !BREAK_JOIN_FROZEN) return FROZEN;
  if (shard.batchLeadership != leadership) return STALE;
  const full =
    shard.logEntries >= BATCH_ENTRIES_MAX || shard.contentBytes >= BATCH_CONTENT_BYTES_MAX;
  return full ? FROZEN : LOCKED;
}

/** Replays a swapped batch if its readers have left. The caller holds the mutex. */
export function finish(thread: Thread, shard: Shard): bool {
  if (!hasDrained(drainSnapshot(shard))) return false;
  replay(thread, shard);
  return true;
}

/** Room for so many entries more in the log; false: no memory. */
// @ts-ignore: decorator
@inline
export function reserveLog(thread: Thread, shard: Shard, entries: u32, must: bool): bool {
  return shard.logEntries + entries <= shard.logCapacity || growLog(thread, shard, entries, must);
}

function growLog(thread: Thread, shard: Shard, entries: u32, must: bool): bool {
  const wanted = shard.logEntries + entries;
  let capacity = max<u32>(shard.logCapacity, LOG_ENTRIES_KEPT);
  while (capacity < wanted) capacity <<= 1;
  const log = allocate(thread, capacity * LOG_ENTRY_BYTES, KIND_INDEX, must);
  if (log == 0) return false;
  if (shard.log != 0) {
    memory.copy(log, shard.log, <usize>shard.logEntries * LOG_ENTRY_BYTES);
    free(thread, shard.log, shard.logCapacity * LOG_ENTRY_BYTES, KIND_INDEX);
  }
  shard.log = <u32>log;
  shard.logCapacity = capacity;
  return true;
}

/**
 * Sets a key's reference on the hidden side and logs it. The caller has the shard open and gives
 * `before` as it found it there, at `slot`. False: no memory, nothing changed, and `after` is still the caller's.
 */
export function write(
  thread: Thread,
  shard: Shard,
  hash: u64,
  before: u32,
  after: u32,
  sequence: u64,
  must: bool,
  slot: usize,
): bool {
  if (!reserveLog(thread, shard, 1, must)) return false;
  const side = sideOf(shard, hiddenSide(shard));
  const table = tableOf(side, hash);
  const groups = table.groups;
  if (before != 0 && after != 0 && table.next == 0) {
    replace(table, slot, after);
  } else if (!change(thread, side, hash, before, after, sequence, must, slot)) {
    return false;
  }
  const place = <u32>(slot - addressOfTable(table));
  const entry = entryAt(shard, shard.logEntries++);
  store<u64>(entry, hash);
  store<u64>(entry, sequence, 8);
  store<u32>(entry, after, 16);
  store<u32>(entry, before, 20);
  // Outside of the table: a link of a chain, or no slot at all.
  store<u32>(entry, before != 0 && place < bytesOfTable(groups) ? place : 0, 24);
  store<u32>(entry, groups, 28);
  thread.heldGarbage += account(shard, before, after);
  thread.heldEntries++;
  if (BREAK_FREE_EARLY && before != 0) freeRecord(thread, before);
  return true;
}

/** Keeps the shard's statistics; returns the bytes of what was replaced. */
// @ts-ignore: decorator
@inline
function account(shard: Shard, before: u32, after: u32): u32 {
  if (before != 0 && after != 0) {
    const bytes = footprint(before);
    if (!sameShape(before, after)) {
      shard.bytes += <u64>footprint(after) - bytes;
      shard.expiring += <u32>expires(after) - <u32>expires(before);
    }
    return bytes;
  }
  return accountOne(shard, before, after);
}

function accountOne(shard: Shard, before: u32, after: u32): u32 {
  if (after != 0) {
    shard.keys++;
    shard.bytes += footprint(after);
    shard.expiring += <u32>expires(after);
  }
  if (before == 0) return 0;
  const bytes = footprint(before);
  shard.keys--;
  shard.bytes -= bytes;
  shard.expiring -= <u32>expires(before);
  return bytes;
}

/** Whether what this thread has not published yet is so much that it should. */
export function shouldPublish(thread: Thread): bool {
  return (
    thread.heldEntries >= BATCH_ENTRIES_MAX || thread.heldGarbage >= BATCH_GARBAGE_BYTES_MAX
  );
}

/**
 * Takes back all entries of the open batch from `entries` on: the hidden side is as it was, the new
 * records are freed. With 0 it is the rollback of the batch.
 */
export function rollbackTo(thread: Thread, shard: Shard, entries: u32): void {
  const side = sideOf(shard, hiddenSide(shard));
  let removals = false;
  while (shard.logEntries > entries) {
    const entry = entryAt(shard, --shard.logEntries);
    const after = load<u32>(entry, 16);
    const before = load<u32>(entry, 20);
    // Putting a removed key back takes the slot that it had left, or one like it.
    const hash = load<u64>(entry);
    // What goes with an insertion taken back is no removal: sequence 0.
    if (!change(thread, side, hash, after, before, 0, true)) unreachable();
    account(shard, after, before);
    if (after != 0) {
      freeRecord(thread, after);
    } else {
      restoreRemovals(side, sideOf(shard, visibleSide(shard)), hash);
      removals = true;
    }
  }
  if (!removals) return;
  // The removals that stay had noted theirs in the same tables.
  for (let index: u32 = 0; index < entries; index++) {
    const entry = entryAt(shard, index);
    if (load<u32>(entry, 16) != 0) continue;
    noteRemoval(tableOf(side, load<u64>(entry)), load<u64>(entry, 8));
  }
}

export function swap(shard: Shard): void {
  atomic.store<u32>(addressOfShard(shard) + offsetof<Shard>('side'), 1 - visibleSide(shard));
}

/** The slot that an entry names, if a table has the shape of the one where it was; else 0. */
// @ts-ignore: decorator
@inline
export function slotInEntry(table: Table, entry: usize): usize {
  const place = <usize>load<u32>(entry, 24);
  if (place == 0 || table.groups != <u32>load<u8>(entry, 28)) return 0;
  return addressOfTable(table) + place;
}

/** The slot that holds an entry's `before`, if it is where it was on the other side; else 0. */
// @ts-ignore: decorator
@inline
function samePlace(table: Table, entry: usize, before: u32): usize {
  const slot = slotInEntry(table, entry);
  return slot != 0 && load<u32>(slot) == before ? slot : 0;
}

/** Applies the log to the side that was visible, then frees what was replaced. */
function replay(thread: Thread, shard: Shard): void {
  const entries = shard.logEntries;
  const visible = visibleSide(shard);
  const side = sideOf(shard, 1 - visible);
  if (!BREAK_SKIP_REPLAY) {
    for (let index: u32 = 0; index < entries; index++) {
      const entry = entryAt(shard, index);
      const hash = load<u64>(entry);
      const after = load<u32>(entry, 16);
      const before = load<u32>(entry, 20);
      const table = tableOf(side, hash);
      const slot = samePlace(table, entry, before);
      if (slot != 0 && after != 0) replace(table, slot, after);
      else if (!change(thread, side, hash, before, after, load<u64>(entry, 8), true, slot)) unreachable();
    }
  }
  if (!BREAK_FREE_EARLY) {
    for (let index: u32 = 0; index < entries; index++) {
      const before = load<u32>(entryAt(shard, index), 20);
      if (before != 0) freeRecord(thread, before);
    }
  }
  settle(sideOf(shard, visible));
  shard.logEntries = 0;
  shard.state = STATE_IDLE;
  if (shard.logCapacity > LOG_ENTRIES_KEPT << 3) {
    free(thread, shard.log, shard.logCapacity * LOG_ENTRY_BYTES, KIND_INDEX);
    shard.log = 0;
    shard.logCapacity = 0;
  }
}

/**
 * Ends the open batches of all shards that this thread holds and unlocks them: visible at once, or
 * gathered where they are replicated. False: a leadership ended meanwhile, so everything since the
 * last publication was taken back and the caller starts again from there.
 * The caller is in no section: here the thread waits, at most 1 ms, for the readers of others.
 */
export function publishHeld(thread: Thread): bool {
  const held = changetype<Shard>(thread.held);
  if (thread.held == 0) return true;
  thread.held = 0;
  thread.heldGarbage = 0;
  thread.heldEntries = 0;
  for (let shard = held; addressOfShard(shard) != 0; shard = nextHeld(shard)) {
    if (atomic.load<u32>(addressOfShard(shard)) != shard.batchLeadership) {
      abandon(thread, held);
      return false;
    }
  }
  let swapped = false;
  const reported = thread.gathered;
  for (let shard = held; addressOfShard(shard) != 0; shard = nextHeld(shard)) {
    if (shard.logEntries == 0) {
      if (BREAK_SWAP_FIRST) swap(shard);
      shard.state = STATE_IDLE;
    } else if (shard.replicated) {
      gather(thread, shard, reported);
    } else {
      if (!BREAK_SWAP_FIRST) swap(shard);
      shard.committedSequence = shard.sequence;
      shard.state = STATE_SWAPPED;
      swapped = true;
    }
  }
  let drained = true;
  if (swapped) {
    takeSnapshot(thread);
    drained = waitForDrain(snapshotOf(thread));
  }
  let shard = held;
  while (addressOfShard(shard) != 0) {
    const next = nextHeld(shard);
    if (shard.state == STATE_SWAPPED) {
      if (drained) replay(thread, shard);
      else keepSnapshot(thread, shard);
    }
    unlock(shard);
    shard = next;
  }
  return true;
}

// @ts-ignore: decorator
@inline
function nextHeld(shard: Shard): Shard {
  return changetype<Shard>(<usize>shard.nextHeld);
}

export function keepSnapshot(thread: Thread, shard: Shard): void {
  memory.copy(drainSnapshot(shard), snapshotOf(thread), 65 * 4);
}

/** Takes back what this thread wrote since it opened the shards; what others had gathered stays. */
function abandon(thread: Thread, held: Shard): void {
  let shard = held;
  while (addressOfShard(shard) != 0) {
    const next = nextHeld(shard);
    rollbackTo(thread, shard, shard.openEntries);
    shard.sequence = shard.openSequence;
    shard.state = shard.openEntries == 0 ? STATE_IDLE : STATE_GATHERED;
    if (BREAK_SWAP_FIRST) swap(shard);
    unlock(shard);
    shard = next;
  }
}
