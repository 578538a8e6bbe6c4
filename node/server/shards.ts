import type { Engine } from '../engine/types.ts';

/** The shards that this node leads now, in order. */
export function ledShards(engine: Engine): number[] {
  const led: number[] = [];
  for (let shard = 0; shard < engine.arena.options.shards; shard++) {
    if (engine.serving(shard).role === 'leader') {
      led.push(shard);
    }
  }
  return led;
}
