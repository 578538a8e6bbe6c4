/**
 * Control blocks: what a shard's home thread tells all others, and the rule of a read.
 *
 * A read loads the leadership counter, reads, loads `readUntil`, compares the clock, and loads the
 * counter again: equal and even, else the command is parked. The clock is the one of the call's
 * start. That is enough: all commands of the chunk had arrived by then, so a read may be ordered at
 * that moment, when no other leader could have committed anything; and what it returns is never
 * older than that.
 */
import { header, REDIRECT_STRIDE, REDIRECTS, Thread } from './layout';
import { AWAITED_CHANGE, AWAITED_MUTEX, wake } from './twin/lock';
import {
  addressOfShard,
  EXISTS,
  ROLE_ELSEWHERE,
  ROLE_LEADER,
  Shard,
  shardAt,
} from './twin/shard';

/** A follower has no memory left: commands that need some are answered so. */
export const REFUSES_MEMORY: u32 = 1;
/** Too few replicas are in sync: all writes are answered so. */
export const REFUSES_WRITES: u32 = 2;

// @ts-ignore: decorator
@inline
export function leadershipOf(shard: Shard): u32 {
  return atomic.load<u32>(addressOfShard(shard));
}

/** The second half of a read's rule; `leadership` is the counter's value before the read. */
// @ts-ignore: decorator
@inline
export function mayAnswer(thread: Thread, shard: Shard, leadership: u32): bool {
  const until = reinterpret<f64>(
    atomic.load<u64>(addressOfShard(shard) + offsetof<Shard>('readUntilMs')),
  );
  if (thread.monotonicMs < until && leadershipOf(shard) == leadership) return true;
  // A gate lets a read of a shard that is not led here pass only where the copy may be read.
  return leadership & 1 ? isReplicaReadable(shard) && leadershipOf(shard) == leadership : false;
}

/** Whether this copy of a shard that another node leads may be read by those who asked for that. */
export function isReplicaReadable(shard: Shard): bool {
  return (
    roleOf(shard) == ROLE_ELSEWHERE &&
    atomic.load<u32>(addressOfShard(shard) + offsetof<Shard>('replicaReadable')) != 0
  );
}

export function setReplicaReadable(shard: Shard, readable: bool): void {
  atomic.store<u32>(
    addressOfShard(shard) + offsetof<Shard>('replicaReadable'),
    readable && shard.exists == EXISTS ? 1 : 0,
  );
}

/** What a leader refuses at once: bits of REFUSES_*. */
// @ts-ignore: decorator
@inline
export function refusesOf(shard: Shard): u32 {
  return atomic.load<u32>(addressOfShard(shard) + offsetof<Shard>('refuses'));
}

// @ts-ignore: decorator
@inline
export function mayWrite(shard: Shard): bool {
  return atomic.load<u32>(addressOfShard(shard) + offsetof<Shard>('writable')) != 0;
}

// @ts-ignore: decorator
@inline
export function roleOf(shard: Shard): u32 {
  return atomic.load<u32>(addressOfShard(shard) + offsetof<Shard>('role'));
}

function setReadUntil(shard: Shard, untilMs: f64): void {
  atomic.store<u64>(
    addressOfShard(shard) + offsetof<Shard>('readUntilMs'),
    reinterpret<u64>(untilMs),
  );
}

/**
 * Only the home thread of a shard publishes. `role`: shard.ts. Of a copy that may be read where it does not lead,
 * `readUntilMs` is how fresh it is.
 */
export function publishControl(
  id: u32,
  role: u32,
  epoch: f64,
  generation: f64,
  readUntilMs: f64,
  writable: u32,
  refuses: u32,
  replicaReadable: bool,
): void {
  const shard = shardAt(id);
  const base = addressOfShard(shard);
  const leading = (leadershipOf(shard) & 1) == 0;
  const same = leading && role == ROLE_LEADER && shard.epoch == epoch;
  if (!same) {
    // Reads end first, then the leadership: a read in progress sees one or the other.
    if (leading || role != ROLE_ELSEWHERE) setReadUntil(shard, 0);
    atomic.store<u32>(base + offsetof<Shard>('writable'), 0);
    if (leading) atomic.add<u32>(base, 1);
  }
  shard.epoch = epoch;
  shard.generation = generation;
  atomic.store<u32>(base + offsetof<Shard>('role'), role);
  atomic.store<u32>(base + offsetof<Shard>('refuses'), refuses);
  setReplicaReadable(shard, replicaReadable);
  if (role == ROLE_LEADER) {
    if (!same) atomic.add<u32>(base, 1);
    atomic.store<u32>(base + offsetof<Shard>('writable'), writable);
    setReadUntil(shard, readUntilMs);
  } else if (role == ROLE_ELSEWHERE) {
    setReadUntil(shard, replicaReadable ? readUntilMs : 0);
  }
  wake(shard);
}

/**
 * Asks to be woken at the next change of a shard and returns the counter to wait on. `forMutex`: whoever found the
 * mutex held is woken by its release, though nothing changed.
 */
export function awaitShard(shard: Shard, forMutex: bool): u32 {
  const base = addressOfShard(shard);
  const awaited = base + offsetof<Shard>('awaited');
  const seen = atomic.load<u32>(base + offsetof<Shard>('publication'));
  if (forMutex) atomic.store<u32>(awaited, AWAITED_MUTEX);
  else atomic.cmpxchg<u32>(awaited, 0, AWAITED_CHANGE);
  return seen;
}

// A redirect is a version (odd while it is written), a length and the text: one writer, many readers.
// @ts-ignore: decorator
@inline
export function redirectOf(shard: Shard): usize {
  const index = (addressOfShard(shard) - addressOfShard(shardAt(0))) >> 9;
  return REDIRECTS + index * REDIRECT_STRIDE;
}

/** The text must lie in this place already when `length` is set: `beginRedirect`, copy, `endRedirect`. */
export function beginRedirect(id: u32): usize {
  const redirect = redirectOf(shardAt(id));
  atomic.add<u32>(redirect, 1);
  return redirect + 8;
}

export function endRedirect(id: u32, length: u32): void {
  const redirect = redirectOf(shardAt(id));
  store<u32>(redirect, length, 4);
  atomic.add<u32>(redirect, 1);
}

/** Copies the redirect's text and returns its length; 0: unknown. */
export function readRedirect(shard: Shard, to: usize): u32 {
  const redirect = redirectOf(shard);
  while (true) {
    const version = atomic.load<u32>(redirect);
    if (version & 1) continue;
    const length = min<u32>(load<u32>(redirect, 4), 264);
    memory.copy(to, redirect + 8, length);
    if (atomic.load<u32>(redirect) == version) return length;
  }
}

/** Before any publication: nobody leads anything. */
export function makeControlBlocks(): void {
  for (let id: u32 = 0; id < header().shards; id++) {
    const shard = shardAt(id);
    shard.leadership = 1;
    shard.role = ROLE_ELSEWHERE;
  }
}
