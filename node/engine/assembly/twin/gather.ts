/**
 * Batches of replicated shards. Writes of one call after the other gather on the hidden side of a
 * shard; its home thread seals the batch (from then on nobody adds to it), sends its content to the
 * followers, and commits it or takes it back. All replies that depend on the batch wait for that:
 * each call reports the batches that it added to, or looked into, in the list of its thread.
 *
 * Nobody but those who add sees a gathered or frozen side, so readers see committed writes only.
 */
import { BREAK_SKIP_ROLLBACK } from '../generated/constants';
import { GATHERED_MAX, gatheredList, Thread } from '../layout';
import { beginEncoding, bytesAtMost, markBatch } from './effects';
import { tryLock, unlock, wake } from './lock';
import { takeSnapshot } from './sections';
import {
  addressOfShard,
  idOfShard,
  Shard,
  STATE_FROZEN,
  STATE_GATHERED,
  STATE_IDLE,
  STATE_SWAPPED,
} from './shard';
import { entryAt, finish, keepSnapshot, rollbackTo, swap } from './twin';

export const SEALED: i32 = 1;
export const NOTHING_GATHERED: i32 = 0;
export const SHARD_BUSY: i32 = -1;

/**
 * Ends a call's part of a batch. The caller holds the mutex, and unlocks. `reported`: how long the
 * report was before the present publication, which tells each shard once.
 */
export function gather(thread: Thread, shard: Shard, reported: u32): void {
  shard.state = STATE_GATHERED;
  const added = shard.logEntries > shard.openEntries;
  if (added) {
    let bytes = shard.contentBytes;
    for (let index = shard.openEntries; index < shard.logEntries; index++) {
      bytes += bytesAtMost(entryAt(shard, index));
    }
    shard.contentBytes = bytes;
  }
  // Who only looked saw what others have not committed: its reply waits, too. A sweep replies to nobody.
  if (!added && thread.quiet) return;
  shard.waiting |= <u64>1 << (thread.id & 63);
  thread.careful = 1;
  report(thread, idOfShard(shard), shard.batch, reported);
}

function report(thread: Thread, shard: u32, batch: u32, reported: u32): void {
  const shards = gatheredList(thread);
  const batches = shards + <usize>GATHERED_MAX * 4;
  const count = thread.gathered;
  for (let index: u32 = 0; index < reported; index++) {
    const at = <usize>index << 2;
    if (load<u32>(shards + at) == shard && load<u32>(batches + at) == batch) return;
  }
  // `hasRoomToReport` was asked since the last publication, which adds each shard once.
  if (count >= GATHERED_MAX) unreachable();
  store<u32>(shards + (<usize>count << 2), shard);
  store<u32>(batches + (<usize>count << 2), batch);
  thread.gathered = count + 1;
}

/** Whether one publication more finds room in the report, however many shards it has. */
// @ts-ignore: decorator
@inline
export function hasRoomToReport(thread: Thread): bool {
  return thread.gathered <= GATHERED_MAX / 2;
}

/** The batch is over: the next one has another number. */
function resolve(shard: Shard): void {
  shard.batch++;
  shard.waiting = 0;
  shard.contentBytes = 0;
}

/** Undoes the whole gathered or frozen batch. The caller holds the mutex. */
export function rollback(thread: Thread, shard: Shard): void {
  if (BREAK_SKIP_ROLLBACK) shard.logEntries = 0;
  rollbackTo(thread, shard, 0);
  shard.sequence = shard.batchSequence;
  shard.state = STATE_IDLE;
  resolve(shard);
}

/** From now on nobody adds to the gathered batch. A stale one is not sealed: it waits for its rollback. */
export function sealGathered(thread: Thread, shard: Shard): i32 {
  if (!tryLock(thread, shard)) return SHARD_BUSY;
  const current = shard.batchLeadership == atomic.load<u32>(addressOfShard(shard));
  const seals = shard.state == STATE_GATHERED && current;
  if (seals) {
    shard.state = STATE_FROZEN;
    describe(thread, shard);
    markBatch(thread, shard);
    beginEncoding(thread, shard);
  }
  unlock(shard);
  return seals ? SEALED : NOTHING_GATHERED;
}

/** For JavaScript. Each command that changed something raised the sequence by one. */
function describe(thread: Thread, shard: Shard): void {
  thread.sealBatch = shard.batch;
  thread.sealCommands = <u32>(shard.sequence - shard.batchSequence);
  thread.waitingLow = <u32>shard.waiting;
  thread.waitingHigh = <u32>(shard.waiting >> 32);
}

/** Makes a frozen batch visible. False: the mutex is held, try again. */
export function commitFrozen(thread: Thread, shard: Shard): bool {
  if (!tryLock(thread, shard)) return false;
  if (shard.state == STATE_FROZEN) {
    swap(shard);
    shard.committedSequence = shard.sequence;
    shard.state = STATE_SWAPPED;
    resolve(shard);
    takeSnapshot(thread);
    keepSnapshot(thread, shard);
    finish(thread, shard);
  }
  unlock(shard);
  wake(shard);
  return true;
}

/** Takes a gathered or frozen batch back. False: the mutex is held, try again. */
export function rollbackGathered(thread: Thread, shard: Shard): bool {
  if (!tryLock(thread, shard)) return false;
  if (shard.state == STATE_FROZEN || shard.state == STATE_GATHERED) rollback(thread, shard);
  unlock(shard);
  wake(shard);
  return true;
}

/** Whether writes gather (or commit at the end of a call). False: the mutex, or an unresolved batch, is in the way. */
export function replicate(thread: Thread, shard: Shard, replicated: bool): bool {
  if (!tryLock(thread, shard)) return false;
  const free = shard.state != STATE_GATHERED && shard.state != STATE_FROZEN;
  if (free) shard.replicated = replicated ? 1 : 0;
  unlock(shard);
  return free;
}
