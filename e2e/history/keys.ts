/** Keys of every shard, so that each shard's availability is measured. */
import { keyToShard } from '@r-db/proto/slots.ts';
import { keysOfAKind } from './limits.ts';

export interface ShardKeys {
  readonly shard: number;
  /** Written, read. */
  readonly registers: readonly string[];
  /** Incremented, read. */
  readonly counters: readonly string[];
  /** Compared and set, read. */
  readonly compared: readonly string[];
}

/** For each shard its keys: all of a shard share a hash tag. `prefix` keeps histories apart. */
export function shardKeys(prefix: string, shards: number): readonly ShardKeys[] {
  const tags = new Map<number, string>();
  for (let number = 0; tags.size < shards; number++) {
    const tag = `${number}`;
    const shard = keyToShard(`{${tag}}`, shards);
    if (!tags.has(shard)) tags.set(shard, tag);
  }
  return Array.from({ length: shards }, (_, shard) => {
    const names = (kind: string) =>
      Array.from({ length: keysOfAKind }, (_, index) => {
        return `${prefix}:{${tags.get(shard)}}:${kind}${index}`;
      });
    return {
      shard,
      registers: names('register'),
      counters: names('counter'),
      compared: names('compared'),
    };
  });
}

export function allKeys(keys: readonly ShardKeys[]): readonly { shard: number; key: string }[] {
  return keys.flatMap(({ shard, registers, counters, compared }) =>
    [...registers, ...counters, ...compared].map((key) => ({ shard, key })),
  );
}
