/** r_db of several nodes on this machine, each with one data thread. */
import { LocalCluster } from '@r-db/node/dev/local-cluster.ts';
import { freePorts } from '@r-db/node/dev/ports.ts';
import { shardToSlots } from '@r-db/proto/slots.ts';
import { BenchError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Contender } from './contender.ts';
import { projectVersion } from './rdb.ts';

const memoryLimitBytes = 2 * 2 ** 30;

export interface RdbShape {
  readonly nodes: number;
  readonly factor: number;
  /** Who leads: `one` node leads all shards, or all share them. */
  readonly leaders: 'one' | 'spread';
}

/** Every shard is led by the first of its assignment, and all its copies are in sync. */
export async function startLocalRdb({ nodes, factor, leaders }: RdbShape): Promise<LocalCluster> {
  const ports = await freePorts(nodes);
  const cluster = await LocalCluster.create({
    ports,
    threads: 1,
    logLevel: 'warn',
    memoryLimitBytes,
    replicationFactor: factor,
    ...(leaders === 'one' ? { leader: 0 } : {}),
  });
  try {
    await untilWhole(cluster, factor);
  } catch (error) {
    const said = cluster.nodes.flatMap((node) => node.lines).join('\n');
    await cluster[Symbol.asyncDispose]();
    throw new BenchError(`r_db is not ready: ${String(error)}\n${said}`, { cause: error });
  }
  return cluster;
}

export async function untilWhole(cluster: LocalCluster, factor: number): Promise<void> {
  const timeoutMs = limits.readyTimeoutMs;
  await cluster.ready({ timeoutMs });
  await cluster.until(
    (shards) =>
      shards.every(
        ({ leader, inSync, assignment }) =>
          leader?.node === assignment[0] && inSync.length === factor,
      ),
    { timeoutMs: limits.wholeTimeoutMs },
  );
}

export async function startRdbCluster(shape: RdbShape): Promise<Contender> {
  const cluster = await startLocalRdb(shape);
  const { nodes, factor, leaders } = shape;
  const where = leaders === 'one' ? 'one leads' : 'leaders spread';
  return {
    title: `r_db ${await projectVersion()}, ${nodes} nodes, factor ${factor}, ${where}`,
    load: { route: routeOf(cluster), protocol: 'resp' },
    pids: cluster.nodes.flatMap(({ pid }) => pid ?? []),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** Who leads which slots, for the load generator. */
export function routeOf(cluster: LocalCluster): string {
  return Array.from({ length: cluster.shards }, (_, shard) => {
    const { firstSlot, lastSlot } = shardToSlots(shard, cluster.shards);
    const leader = cluster.shard(shard).leader?.node;
    const port = cluster.ports[cluster.nodes.findIndex(({ name }) => name === leader)]?.resp;
    if (port === undefined) throw new BenchError(`nobody leads shard ${shard}`);
    return `${firstSlot}-${lastSlot}:${port}`;
  }).join(',');
}
