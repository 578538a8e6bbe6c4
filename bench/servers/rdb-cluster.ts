/** r_db of several nodes on this machine, each with one data thread. */
import { connect, RdbError } from '@r-db/client';
import { freePorts } from '@r-db/node/dev/free-ports.ts';
import { LocalCluster } from '@r-db/node/dev/local-cluster.ts';
import { shardToSlots } from '@r-db/proto/slots.ts';
import { BenchError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Contender } from './contender.ts';
import { projectVersion } from './rdb.ts';

export interface RdbShape {
  readonly nodes: number;
  readonly factor: number;
  /** Who leads: `one` node leads all shards, or all share them. */
  readonly leaders: 'one' | 'spread';
}

/** Every shard is led by the first of its assignment, and all its copies are in sync. `memoryLimitBytes`: of each node. */
export async function startLocalRdb(
  { nodes, factor, leaders }: RdbShape,
  memoryLimitBytes: number = limits.nodeMemoryBytes,
): Promise<LocalCluster> {
  const options = {
    ports: await freePorts(nodes),
    threads: 1,
    logLevel: 'warn' as const,
    memoryLimitBytes,
    replicationFactor: factor,
    ...(leaders === 'one' ? { leader: 0 } : {}),
  };
  const cluster = await LocalCluster.create(options);
  try {
    await untilInSync(cluster, factor);
    await until(cluster, 'led by the first of its assignment', ({ leader, assignment }) => {
      return leader?.node === assignment[0];
    });
  } catch (error) {
    const said = cluster.nodes.flatMap((node) => node.lines).join('\n');
    await cluster[Symbol.asyncDispose]();
    throw new BenchError(`r_db is not ready: ${String(error)}\n${said}`, { cause: error });
  }
  return cluster;
}

export function untilInSync(cluster: LocalCluster, factor: number): Promise<void> {
  return until(cluster, `led, with ${factor} copies in sync`, ({ leader, inSync }) => {
    return leader !== undefined && inSync.length === factor;
  });
}

async function until(
  cluster: LocalCluster,
  what: string,
  test: (shard: ReturnType<LocalCluster['shard']>) => boolean,
): Promise<void> {
  const timeoutMs = limits.wholeTimeoutMs;
  try {
    await cluster.until((shards) => shards.every(test), { timeoutMs });
  } catch (error) {
    const all = Array.from({ length: cluster.shards }, (_, shard) => cluster.shard(shard));
    const missing = all.filter((shard) => !test(shard)).length;
    throw new BenchError(`r_db: ${missing} shards are not ${what} after ${timeoutMs} ms`, {
      cause: error,
    });
  }
}

/**
 * Orders every shard back to the first node of its assignment, which would take half a minute by itself. A shard whose
 * first node has just left the in-sync set again, as on an overloaded machine, stays where it is.
 */
export async function handBack(cluster: LocalCluster): Promise<void> {
  const addresses = cluster.ports.map(({ grpc }) => `127.0.0.1:${grpc}`);
  await using client = await connect({ addresses, timeoutMs: limits.readyTimeoutMs });
  for (let shard = 0; shard < cluster.shards; shard++) {
    const { leader, assignment } = cluster.shard(shard);
    const [first] = assignment;
    if (first === undefined || leader?.node === first) continue;
    try {
      await client.transferLeadership(shard, first);
    } catch (error) {
      if (!(error instanceof RdbError)) throw error;
    }
  }
}

export async function startRdbCluster(shape: RdbShape): Promise<Contender> {
  const cluster = await startLocalRdb(shape);
  const { nodes, factor, leaders } = shape;
  const where = leaders === 'one' ? 'one leads' : 'leaders spread';
  return {
    title: `r_db ${await projectVersion()}, ${nodes} nodes, factor ${factor}, ${where}`,
    // As it is when it is asked for: leaders may have moved on an overloaded machine.
    get load() {
      return { route: routeOf(cluster), protocol: 'resp' as const };
    },
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
