import { startMemcached } from './memcached.ts';
import { startRdb } from './rdb.ts';
import { startRedis } from './redis.ts';
import type { BenchServer, ServerName } from './server.ts';

const starters: Readonly<Record<ServerName, () => Promise<BenchServer>>> = {
  r_db: startRdb,
  redis: startRedis,
  memcached: startMemcached,
};

/** Starts one server on a free port of the loopback interface and waits until it is ready. */
export async function startServer(name: ServerName): Promise<BenchServer> {
  return starters[name]();
}

/** Starts several; disposing of the result ends them all. */
export async function startServers(
  names: readonly ServerName[],
): Promise<{ servers: readonly BenchServer[] } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const servers: BenchServer[] = [];
  for (const name of names) servers.push(stack.use(await startServer(name)));
  const kept = stack.move();
  return { servers, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/**
 * Starts and ends each once. Nodes that run from their sources keep what Node.js compiled: the first
 * start after a change takes longer and leaves the compiler in memory. An image has nothing to compile.
 */
export async function startOnce(names: readonly ServerName[]): Promise<void> {
  await using _running = await startServers(names);
}
