/** A follower starts again empty: how long until it holds everything again, and what its leader can do meanwhile. */
import { BenchError } from '../errors.ts';
import { buildGenerator } from '../generator/build.ts';
import { runLoad, type Sample } from '../generator/run.ts';
import { limits } from '../limits.ts';
import { number } from '../options.ts';
import { routeOf, startLocalRdb } from '../servers/rdb-cluster.ts';
import { median } from '../statistics.ts';
import { digits, milliseconds, perSecond, table } from '../table.ts';
import { command, outputOption, type Report } from './command.ts';

const options = {
  keys: number('keys stored before', { min: 1_000, max: limits.keysMax, preset: 1_000_000 }),
  value: number('bytes of a value', { min: 1, max: limits.valueBytesMax, preset: 1_000 }),
  connections: number('connections that write', {
    min: 1,
    max: limits.connectionsMax,
    preset: 20,
  }),
  seconds: number('length of each measurement', { min: 1, max: 60, preset: 3 }),
  output: outputOption,
};

/** What one node leads is followed by both others: the last of them is killed. */
const killed = 2;
/** Rounds before the kill, for the leader's usual throughput. */
const roundsBefore = 3;

export const catchUp = command({
  summary:
    'a follower that starts again empty: time to be in sync, and what the leader does meanwhile',
  options,
  async run(settings, context): Promise<Report> {
    const { keys, value: valueBytes, connections, seconds } = settings;
    const program = await buildGenerator(context);
    const dataBytes = keys * valueBytes;
    const memoryLimitBytes = limits.nodeMemoryBytes + limits.nodeBytesAByte * dataBytes;
    await using cluster = await startLocalRdb(
      { nodes: 3, factor: 3, leaders: 'one' },
      memoryLimitBytes,
    );
    const load = { route: routeOf(cluster), protocol: 'resp', keys, valueBytes } as const;
    context.progress(`storing ${digits(dataBytes / 1e9)} GB`);
    await runLoad(program, {
      ...load,
      operation: 'load',
      connections: 50,
      pipeline: '64',
      salt: 0,
    });
    const write = async (): Promise<Sample> => {
      const sample = await runLoad(program, {
        ...{ ...load, operation: 'set', connections, pipeline: '1' },
        ...{ seconds, warmupSeconds: 0.2, check: 0 },
      });
      context.progress(`${perSecond(sample.perSecond)}/s`);
      return sample;
    };
    const before: Sample[] = [];
    for (let round = 0; round < roundsBefore; round++) before.push(await write());

    const node = cluster.nodes[killed];
    const held = cluster.shard(0).inSync.find((member) => member.node === node?.name);
    if (node === undefined || held === undefined) throw new BenchError('no follower to kill');
    context.progress(`killing ${node.name}`);
    const killedMs = performance.now();
    node.signal('SIGKILL');
    const isBack = cluster.until(
      (shards) =>
        shards.every(({ inSync }) =>
          inSync.some((one) => one.node === held.node && one.incarnation !== held.incarnation),
        ),
      { timeoutMs: limits.catchUpTimeoutMs },
    );
    let inSyncMs: number | undefined;
    const timed = isBack.then(() => {
      inSyncMs = performance.now() - killedMs;
    });
    timed.catch(() => {});
    const meanwhile: Sample[] = [];
    while (inSyncMs === undefined && performance.now() - killedMs < limits.catchUpTimeoutMs) {
      meanwhile.push(await write());
    }
    await timed;
    const result = resultOf(before, meanwhile, inSyncMs ?? Number.NaN);
    return { text: describe(result, dataBytes), data: { settings, before, meanwhile, result } };
  },
});

interface Result {
  readonly inSyncSeconds: number;
  readonly beforePerSecond: number;
  /** Of the rounds while it catches up: the least, the median. */
  readonly leastPerSecond: number;
  readonly medianPerSecond: number;
  readonly beforeP99Ns: number;
  readonly worstP99Ns: number;
}

function resultOf(
  before: readonly Sample[],
  meanwhile: readonly Sample[],
  inSyncMs: number,
): Result {
  const rates = meanwhile.map((sample) => sample.perSecond);
  return {
    inSyncSeconds: inSyncMs / 1_000,
    beforePerSecond: median(before.map((sample) => sample.perSecond)),
    leastPerSecond: Math.min(...rates),
    medianPerSecond: median(rates),
    beforeP99Ns: median(before.map(({ latencyNs }) => latencyNs.p99)),
    worstP99Ns: Math.max(...meanwhile.map(({ latencyNs }) => latencyNs.p99)),
  };
}

function describe(result: Result, dataBytes: number): string {
  const { beforePerSecond, leastPerSecond, medianPerSecond } = result;
  const share = (rate: number): string => `${digits((100 * rate) / beforePerSecond)} %`;
  const rows = [
    ['before', perSecond(beforePerSecond), '', milliseconds(result.beforeP99Ns)],
    ['meanwhile, median', perSecond(medianPerSecond), share(medianPerSecond), ''],
    [
      'meanwhile, worst',
      perSecond(leastPerSecond),
      share(leastPerSecond),
      milliseconds(result.worstP99Ns),
    ],
  ];
  const { inSyncSeconds } = result;
  return `${table(['writes', 'a second', 'of before', 'p99 ms'], rows)}

${digits(dataBytes / 1e9)} GB of values on three nodes, all led by the first. A follower was killed and started again empty: after
${digits(inSyncSeconds)} s it was in sync in every shard. It shares the machine with the leader and with the writers.`;
}
