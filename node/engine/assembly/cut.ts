/**
 * Cuts of a snapshot: what is committed in a shard, in hash order, a bounded piece at a time. A cut is
 * of one moment; the next one is of a later moment, and what changed in between went to the follower as
 * entries of the log. The form of a cut is in twin/effects.ts, the walk the one of SCAN.
 */
import { exchangeWindow, Thread } from './layout';
import { endOfStep, TELL_EFFECTS, tellStep } from './scan';
import { highestRemoval, tableOf } from './twin/directory';
import {
  beginExchange,
  CUT_HEADER_BYTES,
  FORM_CUT,
  longBlob,
  longBytes,
} from './twin/effects';
import { dropBlob } from './twin/record';
import { enterSection, leaveSection } from './twin/sections';
import { addressOfShard, EXISTS, Shard, sideOf, visibleSide } from './twin/shard';

/** False: there is no copy. The cursor to go on with is left in the thread, 0 at the end. */
export function cutShard(thread: Thread, shard: Shard, cursor: u64, bytesMax: u32): bool {
  if (shard.exists != EXISTS) return false;
  enterSection(thread);
  // Before the side: so it is never ahead of what the cut holds.
  const sequence = atomic.load<u64>(
    addressOfShard(shard) + offsetof<Shard>('committedSequence'),
  );
  const side = sideOf(shard, visibleSide(shard));
  beginExchange(thread, CUT_HEADER_BYTES);
  thread.effects = 0;
  let hash = cursor;
  do {
    const table = tableOf(side, hash);
    let next = endOfStep(table, hash);
    const before = thread.exchangeEnd;
    const long = thread.exchangeLong;
    const effects = thread.effects;
    let fits = true;
    while (!tellStep(thread, table, hash, next, TELL_EFFECTS)) {
      letGo(thread, long);
      thread.exchangeEnd = before;
      thread.effects = effects;
      fits = before == CUT_HEADER_BYTES;
      // The step does not fit behind what is there: it comes with the next cut.
      if (!fits) break;
      // Nor alone: half of it. Two keys with the same hash fit.
      const half = next == hash ? <u64>1 << 63 : (next - hash) >> 1;
      if (half == 0) unreachable();
      next = hash + half;
    }
    if (!fits) break;
    hash = next;
  } while (hash != 0 && <u64>thread.exchangeEnd + longBytes(thread) < <u64>bytesMax);
  const last = hash - 1;
  const window = exchangeWindow(thread);
  store<u32>(window, FORM_CUT);
  store<u32>(window, thread.effects, 4);
  store<u64>(window, sequence, 8);
  store<u64>(window, cursor, 16);
  store<u64>(window, last, 24);
  store<u64>(window, highestRemoval(side, cursor, last), 32);
  leaveSection(thread);
  thread.exchangeCursor = hash;
  return true;
}

/** Pins of a step that is taken back. */
function letGo(thread: Thread, from: u32): void {
  for (let index = from; index < thread.exchangeLong; index++) dropBlob(thread, longBlob(thread, index));
  thread.exchangeLong = from;
}
