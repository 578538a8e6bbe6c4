/**
 * The bounded sweep of a home thread: removes what readers reported as expired, walks on through its
 * shards for what nobody reads, shrinks tables that deletions left nearly empty, and finishes a
 * replay that had to wait for its readers. One batch for each shard and call.
 */
import { leadershipOf, mayWrite, REFUSES_WRITES, refusesOf } from './control';
import { takeReport } from './expiry';
import { textScratch, Thread } from './layout';
import { shrink, tableOf } from './twin/directory';
import { holds } from './twin/lock';
import { isExpired, versionOf } from './twin/record';
import { Shard, shardAt, sideOf } from './twin/shard';
import { hashOfRecord, recordAt, Table, tableAt } from './twin/table';
import { hiddenSide, LOCKED, publishHeld, tryOpen, write } from './twin/twin';

/** Tables that one call looks at in a shard: bounds the time, not only the removals. */
const TABLES_MAX: u32 = 32;
/** The same where no key expires: only shrinking is left to do, and looking costs the caches. */
const TABLES_MAX_TO_SHRINK: u32 = 2;

function canWrite(thread: Thread, shard: Shard): bool {
  if (shard.exists == 0 || leadershipOf(shard) & 1 || !mayWrite(shard)) return false;
  // A batch that cannot be committed is not begun: reads don't tell expired keys anyway.
  if (refusesOf(shard) & REFUSES_WRITES) return false;
  return holds(thread, shard) || tryOpen(thread, shard) == LOCKED;
}

/** Removes reported records, at most `recordsMax`; returns how many. */
export function sweepReports(thread: Thread, recordsMax: u32): u32 {
  let removed: u32 = 0;
  const report = textScratch(thread);
  while (removed < recordsMax && takeReport(thread.id, report)) {
    const hash = load<u64>(report);
    const shard = shardAt(load<u32>(report, 16));
    if (!canWrite(thread, shard)) continue;
    const table = tableOf(sideOf(shard, hiddenSide(shard)), hash);
    const record = findVersion(table, hash, load<u64>(report, 8));
    if (record != 0 && isExpired(record, thread.nowMs)) removed += removeRecord(thread, shard, hash, record);
  }
  publishQuietly(thread);
  thread.expired += removed;
  return removed;
}

/** Nobody waits for what a sweep does: it depends on no batch that it only looked into. */
function publishQuietly(thread: Thread): void {
  thread.quiet = 1;
  publishHeld(thread);
  thread.quiet = 0;
}

/** The record with this hash and version, or 0. */
function findVersion(start: Table, hash: u64, version: u64): u32 {
  let table = start;
  while (true) {
    const slots = table.groups << 4;
    for (let index: u32 = 0; index < slots; index++) {
      const record = recordAt(table, index);
      if (record != 0 && versionOf(record) == version && hashOfRecord(record) == hash) return record;
    }
    if (table.next == 0) return 0;
    table = tableAt(table.next);
  }
}

function removeRecord(thread: Thread, shard: Shard, hash: u64, record: u32): u32 {
  const sequence = shard.sequence + 1;
  if (!write(thread, shard, hash, record, 0, sequence, true, 0)) return 0;
  shard.sequence = sequence;
  return 1;
}

/** Walks on through a shard from where the last call stopped; returns how many records it removed. */
export function sweepShard(thread: Thread, id: u32, recordsMax: u32): u32 {
  const shard = shardAt(id);
  if (!canWrite(thread, shard)) return 0;
  let removed: u32 = 0;
  let hash = shard.sweepCursor;
  const tablesMax = shard.expiring == 0 ? TABLES_MAX_TO_SHRINK : TABLES_MAX;
  for (let tables: u32 = 0; tables < tablesMax && removed < recordsMax; tables++) {
    const side = sideOf(shard, hiddenSide(shard));
    if (shard.logEntries == 0) shrink(thread, side, hash);
    const table = tableOf(side, hash);
    removed += sweepTable(thread, shard, table, recordsMax - removed);
    if (removed >= recordsMax) break;
    const depth = table.depth;
    hash = depth == 0 ? 0 : ((hash >> (64 - depth)) + 1) << (64 - depth);
    if (hash == 0) break;
  }
  shard.sweepCursor = hash;
  publishQuietly(thread);
  thread.expired += removed;
  return removed;
}

function sweepTable(thread: Thread, shard: Shard, start: Table, recordsMax: u32): u32 {
  let removed: u32 = 0;
  let table = start;
  while (true) {
    const slots: u32 = table.expiring == 0 ? 0 : table.groups << 4;
    for (let index: u32 = 0; index < slots && removed < recordsMax; index++) {
      const record = recordAt(table, index);
      if (record == 0 || !isExpired(record, thread.nowMs)) continue;
      removed += removeRecord(thread, shard, hashOfRecord(record), record);
    }
    if (table.next == 0) return removed;
    table = tableAt(table.next);
  }
}
