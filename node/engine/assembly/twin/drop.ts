/**
 * Dropping a shard that serves nobody: in slices, so that no thread stands still. The first slice
 * waits for readers that may still be inside; then the records of one side (both hold the same) are
 * freed table by table, and the sides go last.
 */
import { leadershipOf, setReplicaReadable } from '../control';
import { KIND_INDEX, Thread } from '../layout';
import { free } from '../memory/allocator';
import { dropSide, tableOf } from './directory';
import { tryLock, unlock } from './lock';
import { freeRecord } from './record';
import { hasDrained, takeSnapshot } from './sections';
import {
  drainSnapshot,
  DROPPING,
  EXISTS,
  Shard,
  sideOf,
  STATE_FROZEN,
  STATE_GATHERED,
  STATE_IDLE,
  STATE_SWAPPED,
} from './shard';
import { recordAt, Table, tableAt } from './table';
import { rollback } from './gather';
import { finish, keepSnapshot, LOG_ENTRY_BYTES } from './twin';

/** 1: nothing is left; 0: call again; -1: somebody still serves it. */
export function dropRecords(thread: Thread, shard: Shard, recordsMax: u32): i32 {
  if (shard.exists == 0) return 1;
  if (!(leadershipOf(shard) & 1)) return -1;
  if (!tryLock(thread, shard)) return 0;
  const done = dropSlice(thread, shard, recordsMax);
  unlock(shard);
  return done ? 1 : 0;
}

function dropSlice(thread: Thread, shard: Shard, recordsMax: u32): bool {
  if (shard.state == STATE_SWAPPED && !finish(thread, shard)) return false;
  if (shard.state == STATE_FROZEN || shard.state == STATE_GATHERED) rollback(thread, shard);
  if (shard.exists == EXISTS) {
    // Who comes from now on is redirected; who is inside already is waited for.
    setReplicaReadable(shard, false);
    takeSnapshot(thread);
    keepSnapshot(thread, shard);
    shard.exists = DROPPING;
    shard.sweepCursor = 0;
    shard.batchSequence = 0;
  }
  if (!hasDrained(drainSnapshot(shard))) return false;
  let freed: u32 = 0;
  let hash = shard.sweepCursor;
  // `batchSequence` tells here that the walk came round: there is no batch any more.
  while (shard.batchSequence == 0 && freed < recordsMax) {
    const table = tableOf(sideOf(shard, 0), hash);
    freed += freeRecords(thread, table);
    const depth = table.depth;
    hash = depth == 0 ? 0 : ((hash >> (64 - depth)) + 1) << (64 - depth);
    if (hash == 0) shard.batchSequence = 1;
  }
  shard.sweepCursor = hash;
  if (shard.batchSequence == 0) return false;
  dropSide(thread, sideOf(shard, 0));
  dropSide(thread, sideOf(shard, 1));
  if (shard.log != 0) free(thread, shard.log, shard.logCapacity * LOG_ENTRY_BYTES, KIND_INDEX);
  shard.log = 0;
  shard.logCapacity = 0;
  shard.logEntries = 0;
  shard.keys = 0;
  shard.bytes = 0;
  shard.expiring = 0;
  shard.sequence = 0;
  shard.committedSequence = 0;
  shard.batchSequence = 0;
  shard.sweepCursor = 0;
  shard.state = STATE_IDLE;
  shard.exists = 0;
  return true;
}

function freeRecords(thread: Thread, start: Table): u32 {
  let freed: u32 = 0;
  let table = start;
  while (true) {
    const slots = table.groups << 4;
    for (let index: u32 = 0; index < slots; index++) {
      const record = recordAt(table, index);
      if (record == 0) continue;
      freeRecord(thread, record);
      freed++;
    }
    if (table.next == 0) return freed;
    table = tableAt(table.next);
  }
}
