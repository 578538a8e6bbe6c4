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
import { wake } from './twin/lock';
import {
  addressOfShard,
  ROLE_ELSEWHERE,
  ROLE_LEADER,
  Shard,
  shardAt,
} from './twin/shard';

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
  return thread.monotonicMs < until && leadershipOf(shard) == leadership;
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

/** Only the home thread of a shard publishes. `role`: shard.ts. */
export function publishControl(
  id: u32,
  role: u32,
  epoch: f64,
  generation: f64,
  readUntilMs: f64,
  writable: u32,
): void {
  const shard = shardAt(id);
  const base = addressOfShard(shard);
  const leading = (leadershipOf(shard) & 1) == 0;
  const same = leading && role == ROLE_LEADER && shard.epoch == epoch;
  if (!same) {
    // Reads end first, then the leadership: a read in progress sees one or the other.
    setReadUntil(shard, 0);
    atomic.store<u32>(base + offsetof<Shard>('writable'), 0);
    if (leading) atomic.add<u32>(base, 1);
  }
  shard.epoch = epoch;
  shard.generation = generation;
  atomic.store<u32>(base + offsetof<Shard>('role'), role);
  if (role == ROLE_LEADER) {
    if (!same) atomic.add<u32>(base, 1);
    atomic.store<u32>(base + offsetof<Shard>('writable'), writable);
    setReadUntil(shard, readUntilMs);
  }
  wake(shard);
}

/** Asks to be woken at the next change of a shard and returns the counter to wait on. */
export function awaitShard(shard: Shard): u32 {
  const base = addressOfShard(shard);
  const seen = atomic.load<u32>(base + offsetof<Shard>('publication'));
  atomic.store<u32>(base + offsetof<Shard>('awaited'), 1);
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
