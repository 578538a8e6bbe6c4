/**
 * Readers do not delete: one that meets an expired record reports (shard, hash, version) to the ring
 * of the shard's home thread, whose sweep removes it if it is still that record. The ring is bounded
 * and never waited for: a report that finds it full or taken is dropped, the sweep's walk finds the
 * key later.
 */
import { EXPIRY_RING_ENTRIES } from './generated/constants';
import { header, RING_ENTRY_BYTES, RING_STRIDE, RINGS } from './layout';
import { versionOf } from './twin/record';
import { idOfShard, Shard } from './twin/shard';

// Words of a ring: 0 lock, 4 number of entries; entries start at 128: hash, version, shard.
// @ts-ignore: decorator
@inline
function ringOf(thread: u32): usize {
  return RINGS + <usize>thread * RING_STRIDE;
}

export function reportExpired(shard: Shard, hash: u64, record: usize): void {
  const id = idOfShard(shard);
  const ring = ringOf(id % header().threads);
  if (atomic.cmpxchg<u32>(ring, 0, 1) != 0) return;
  const entries = load<u32>(ring, 4);
  if (entries < EXPIRY_RING_ENTRIES) {
    const entry = ring + 128 + <usize>entries * RING_ENTRY_BYTES;
    store<u64>(entry, hash);
    store<u64>(entry, versionOf(record), 8);
    store<u32>(entry, id, 16);
    store<u32>(ring, entries + 1, 4);
  }
  atomic.store<u32>(ring, 0);
}

/** Takes the last report of a thread's ring into `to`; false: none, or the ring is taken just now. */
export function takeReport(thread: u32, to: usize): bool {
  const ring = ringOf(thread);
  if (load<u32>(ring, 4) == 0) return false;
  if (atomic.cmpxchg<u32>(ring, 0, 1) != 0) return false;
  const entries = load<u32>(ring, 4);
  if (entries > 0) {
    const entry = ring + 128 + <usize>(entries - 1) * RING_ENTRY_BYTES;
    memory.copy(to, entry, RING_ENTRY_BYTES);
    store<u32>(ring, entries - 1, 4);
  }
  atomic.store<u32>(ring, 0);
  return entries > 0;
}
