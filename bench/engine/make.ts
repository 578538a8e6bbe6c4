/** An engine in this process that leads all shards, as a node of one copy does. */
import { attachEngine, createArena } from '@r-db/node/engine/engine.ts';
import type { Engine } from '@r-db/node/engine/types.ts';

const shards = 64;
const pageBytes = 64 * 1024;
/** Room for any record with its part of the index, and for tables that have just split. */
const overheadBytesMax = 200;
const fixedBytes = 256 * 2 ** 20;

/** Throws EngineError: not built, or no memory for so many keys. */
export function makeBenchEngine(keys: number, valueBytes: number): Engine {
  // Counters of `incr` stand beside the keys stored.
  const wantedBytes = fixedBytes + keys * 2 * (overheadBytesMax + valueBytes);
  const reservedBytes = Math.min(65_535, Math.ceil(wantedBytes / pageBytes)) * pageBytes;
  const arena = createArena({
    reservedBytes,
    budgetBytes: reservedBytes,
    threads: 1,
    shards,
    hashSeed: 0x5eed_5eed_5eed_5eedn,
    keyBytesMax: 65_536,
    valueBytesMax: 16 * 2 ** 20,
  });
  const engine = attachEngine(arena, 0);
  for (let shard = 0; shard < shards; shard++) {
    engine.createShard(shard);
    engine.publish(shard, {
      role: 'leader',
      epoch: 1,
      generation: 1,
      readUntilMs: Number.POSITIVE_INFINITY,
      writable: true,
    });
  }
  return engine;
}
