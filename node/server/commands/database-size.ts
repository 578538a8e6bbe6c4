import { ledShards } from '../shards.ts';
import type { ServerCommand } from './command.ts';

/** DBSIZE: keys of the shards that this node leads, as a node of Redis Cluster counts its own. */
export const databaseSize: ServerCommand = {
  name: 'DBSIZE',
  arity: 1,
  run: ({ services: { engine }, reply }) =>
    reply.integer(
      ledShards(engine).reduce((sum, shard) => sum + engine.shardStatistics(shard).keys, 0),
    ),
};
