/**
 * The mutex of a shard. Inside a read section, or with another shard's mutex held, a thread only ever
 * tries; it waits outside, holding nothing, at most 1 ms. So no two threads can wait for each other.
 */
import { SPIN_TURNS, WAIT_NANOSECONDS_MAX } from '../generated/constants';
import { Thread } from '../layout';
import { addressOfShard, Shard } from './shard';

/** What JavaScript waits for: a change of the shard, or its mutex, too. */
export const AWAITED_CHANGE: u32 = 1;
export const AWAITED_MUTEX: u32 = 2;

// @ts-ignore: decorator
@inline
export function tryLock(thread: Thread, shard: Shard): bool {
  const mutex = addressOfShard(shard) + offsetof<Shard>('mutex');
  if (atomic.cmpxchg<u32>(mutex, 0, 1) != 0) return false;
  shard.owner = thread.id + 1;
  return true;
}

/** Whether this very thread holds the mutex. */
// @ts-ignore: decorator
@inline
export function holds(thread: Thread, shard: Shard): bool {
  // Only this thread stores its own number, and takes it back before it unlocks.
  return shard.owner == thread.id + 1;
}

export function unlock(shard: Shard): void {
  const mutex = addressOfShard(shard) + offsetof<Shard>('mutex');
  shard.owner = 0;
  if (atomic.xchg<u32>(mutex, 0) == 2) atomic.notify(mutex, 1);
  if (atomic.load<u32>(addressOfShard(shard) + offsetof<Shard>('awaited')) != 0) wake(shard);
}

/**
 * Nothing was changed: whoever waits for a change sleeps on. Else two that look in vain would wake each other as fast
 * as they can.
 */
export function unlockUnchanged(shard: Shard): void {
  const mutex = addressOfShard(shard) + offsetof<Shard>('mutex');
  shard.owner = 0;
  if (atomic.xchg<u32>(mutex, 0) == 2) atomic.notify(mutex, 1);
  const awaited = atomic.load<u32>(addressOfShard(shard) + offsetof<Shard>('awaited'));
  if (awaited == AWAITED_MUTEX) wake(shard);
}

/** Wakes whoever waits in JavaScript for a change of this shard. */
export function wake(shard: Shard): void {
  const base = addressOfShard(shard);
  atomic.store<u32>(base + offsetof<Shard>('awaited'), 0);
  atomic.add<u32>(base + offsetof<Shard>('publication'), 1);
  atomic.notify(base + offsetof<Shard>('publication'), -1);
}

/** Waits for the mutex at most about 1 ms; the caller is in no section and holds no mutex. */
export function lockWaiting(thread: Thread, shard: Shard): bool {
  const mutex = addressOfShard(shard) + offsetof<Shard>('mutex');
  for (let turn: u32 = 0; turn < SPIN_TURNS; turn++) {
    if (atomic.load<u32>(mutex) == 0 && tryLock(thread, shard)) return true;
  }
  // Mark that somebody sleeps; whoever takes the mutex so also wakes the next one, needed or not.
  if (atomic.xchg<u32>(mutex, 2) != 0) {
    atomic.wait<i32>(mutex, 2, WAIT_NANOSECONDS_MAX);
    if (atomic.xchg<u32>(mutex, 2) != 0) return false;
  }
  shard.owner = thread.id + 1;
  return true;
}
