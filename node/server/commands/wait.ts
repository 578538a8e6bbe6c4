import type { Services, TopologySource } from '../context.ts';
import { ledShards } from '../shards.ts';
import { parseInteger, type ServerCommand } from './command.ts';

/**
 * WAIT numreplicas timeout. Replies to writes come when every replica in sync has them, so there is nothing to wait
 * for but more replicas: it tells of the shards that this connection wrote to (of all led here if it wrote to none)
 * the one with the fewest.
 */
export const wait: ServerCommand = {
  name: 'WAIT',
  arity: 3,
  run: async ({ arguments: given, connection, services, reply }) => {
    const wanted = parseInteger(given[1]);
    const timeoutMs = parseInteger(given[2]);
    if (wanted === undefined) return reply.error('ERR value is not an integer or out of range');
    if (timeoutMs === undefined) {
      return reply.error('ERR timeout is not an integer or out of range');
    }
    if (timeoutMs < 0) return reply.error('ERR timeout is negative');
    const count = (): number => replicasOf(services, connection.client.writtenShards);
    await until(() => count() >= wanted, {
      topology: services.topology,
      timeoutMs: Math.min(timeoutMs === 0 ? forEver : timeoutMs, forEver),
      signal: connection.client.gone,
    });
    return reply.integer(count());
  },
};

/** Milliseconds: a timer knows no longer time. */
const forEver = 2 ** 31 - 1;

function replicasOf({ engine, topology }: Services, written: ReadonlySet<number>): number {
  const shards = written.size > 0 ? [...written] : ledShards(engine);
  const known = topology.current()?.shards;
  const counts = shards.map((shard) => (known?.[shard]?.inSync.length ?? 1) - 1);
  return counts.length === 0 ? 0 : Math.max(0, Math.min(...counts));
}

async function until(
  test: () => boolean,
  {
    topology,
    timeoutMs,
    signal,
  }: {
    readonly topology: TopologySource;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  if (test()) return;
  const done = Promise.withResolvers<void>();
  const unsubscribe = topology.subscribe(() => {
    if (test()) done.resolve();
  });
  const timer = setTimeout(done.resolve, timeoutMs);
  signal.addEventListener('abort', () => done.resolve());
  await done.promise;
  clearTimeout(timer);
  unsubscribe();
}
