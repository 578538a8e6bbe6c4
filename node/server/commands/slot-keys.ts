import { keyToSlot, slotToShard } from '@r-db/proto/slots.ts';
import type { Services } from '../context.ts';
import { serverLimits } from '../limits.ts';

/**
 * Tells the keys of one slot until `take` says false. Shards are not indexed by slot, so this walks the
 * whole shard, a slice for each turn of the event loop; other commands run in between.
 * A slot that this node does not lead has no keys here.
 */
export async function keysInSlot(
  { engine, clock, settings }: Services,
  slot: number,
  take: (key: Uint8Array) => boolean,
): Promise<void> {
  const shard = slotToShard(slot, engine.arena.options.shards);
  const deadlineMs = clock.monotonicMs() + settings().promiseMilliseconds;
  const options = {
    keysMax: serverLimits.countKeysSlice,
    bytesMax: serverLimits.scanBytesMax,
    withValues: false,
  };
  let cursor = 0n;
  let done = false;
  while (!done) {
    const part = engine.scan(shard, cursor, options, clock.nowMs(), clock.monotonicMs());
    if (part.status === 'not-leader') {
      return;
    }
    if (part.status === 'park') {
      if (clock.monotonicMs() >= deadlineMs) {
        return;
      }
      await engine.waitForShard(shard, Math.ceil(deadlineMs - clock.monotonicMs()));
    } else {
      for (const { key } of part.entries) {
        if (keyToSlot(key) === slot && !take(key)) {
          return;
        }
      }
      cursor = part.cursor;
      done = cursor === 0n;
    }
    await new Promise(setImmediate);
  }
}
