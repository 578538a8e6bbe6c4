/** What copies cost: writes that several processes hold before they are answered, in turn with the peers. */
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError } from '../errors.ts';
import { buildGenerator } from '../generator/build.ts';
import { measureWithOurs } from '../generator/figures.ts';
import { runLoad } from '../generator/run.ts';
import { limits } from '../limits.ts';
import { number, several, text } from '../options.ts';
import { cpuRatio, over, pauseOption, runTurns, type Turns, throughputRatio } from '../rounds.ts';
import type { Contender } from '../servers/contender.ts';
import { startEtcd } from '../servers/etcd.ts';
import { findEtcd } from '../servers/etcd-program.ts';
import { startRdbCluster } from '../servers/rdb-cluster.ts';
import { startRedisReplicas } from '../servers/redis-replicas.ts';
import { groupedBars } from '../svg.ts';
import { digits, milliseconds, perSecond, ratio, table } from '../table.ts';
import { type Context, command, outputOption, type Report } from './command.ts';

const nodes = 3;

const options = {
  against: several('peers to compare with', ['redis', 'etcd'], 'redis,etcd'),
  etcd: text('a program to run as etcd, instead of the one built for the tests', 'PATH'),
  factor: several('copies of every shard of r_db', ['1', '2', '3'], '1,2,3'),
  leaders: several('who leads the shards of r_db', ['one', 'spread'], 'one,spread'),
  loads: several(
    'what to measure: operation, connections, pipeline',
    ['set/1/1', 'set/50/1', 'set/50/16', 'get/50/1'],
    'set/1/1,set/50/1,set/50/16,get/50/1',
  ),
  keys: number('keys stored before, and drawn from', {
    min: 1,
    max: limits.keysMax,
    preset: 20_000,
  }),
  value: number('bytes of a value; keys have 16', {
    min: 1,
    max: limits.valueBytesMax,
    preset: 16,
  }),
  rounds: number('rounds of each, in turn', { min: 1, max: limits.roundsMax, preset: 5 }),
  seconds: number('length of a round', {
    min: 0.05,
    max: limits.secondsMax,
    preset: 2,
    fraction: true,
  }),
  pause: pauseOption,
  output: outputOption,
};

interface Row {
  /** `set/50/16`. */
  readonly load: string;
  readonly contenders: readonly Turns[];
}

export const replication = command({
  summary: 'writes held by several copies, against Redis with WAIT and etcd',
  options,
  async run(settings, context): Promise<Report> {
    const program = await buildGenerator(context);
    await using stack = new AsyncDisposableStack();
    const contenders: Contender[] = [];
    for (const start of starters(settings, context)) {
      const contender = stack.use(await start());
      contenders.push(contender);
      context.progress(`storing ${settings.keys} keys in ${contender.title}`);
      const fill = { operation: 'load', connections: 8, pipeline: '16', salt: 0 } as const;
      const { keys, value: valueBytes } = settings;
      await undisturbed(context, () =>
        runLoad(program, { ...contender.load, ...fill, keys, valueBytes }),
      );
    }
    const rows: Row[] = [];
    let disturbed = 0;
    for (const load of settings.loads) {
      const [operation = 'set', connections = '50', pipeline = '1'] = load.split('/');
      const turns = await runTurns(contenders, settings, async (contender, round) => {
        const begun = rows.length * settings.rounds + round;
        const measured = await undisturbed(context, () =>
          measureWithOurs(program, {
            ...contender.load,
            operation: operation === 'get' ? 'get' : 'set',
            pid: contender.pids,
            connections: Math.max(Number(connections), rangesOf(contender)),
            pipeline,
            keys: settings.keys,
            valueBytes: settings.value,
            seconds: settings.seconds,
            warmupSeconds: Math.min(0.5, settings.seconds),
            seed: round + 1,
            salt: 1 + (begun % (limits.salts - 1)),
          }),
        );
        const { result: figures } = measured;
        disturbed += measured.disturbed;
        context.progress(`${load} ${contender.title}: ${perSecond(figures.perSecond)}/s`);
        return figures;
      });
      rows.push({ load, contenders: turns });
    }
    const note =
      disturbed === 0
        ? ''
        : `\n${disturbed} rounds were begun anew: a leader changed in them, as where a machine has too much to do.`;
    return {
      text: `${describe(rows)}${note}`,
      data: { settings, rows, disturbed },
      svg: plot(rows),
    };
  },
});

/** What a server says then. A wrong value is never one of them. */
const leaderChanged = /got "-(UNKNOWN|MOVED|CLUSTERDOWN|NOREPLICAS|TRYAGAIN)\b|closed a connection/;

/** Again when a leader changed meanwhile, as on an overloaded machine. */
async function undisturbed<Result>(
  { progress }: Context,
  run: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly disturbed: number }> {
  for (let disturbed = 0; ; disturbed++) {
    try {
      return { result: await run(), disturbed };
    } catch (error) {
      const changed = error instanceof BenchError && leaderChanged.test(error.message);
      if (!changed || disturbed === limits.disturbedMax) throw error;
      progress(`begun anew: ${error.message}`);
      await delay(limits.disturbedRestMs);
    }
  }
}

/** One connection reaches one node: with the leaders spread there must be one for each. */
function rangesOf({ load: { route } }: Contender): number {
  return new Set(route?.split(',').map((range) => range.split(':')[1])).size;
}

function* starters(
  { against, etcd, factor, leaders }: Pick<Settings, 'against' | 'etcd' | 'factor' | 'leaders'>,
  { environment }: Context,
): Generator<() => Promise<Contender>> {
  if (against.includes('redis')) yield () => startRedisReplicas(nodes - 1);
  if (against.includes('etcd')) {
    yield async () => startEtcd(await findEtcd(etcd, environment), nodes);
  }
  for (const copies of factor) {
    for (const who of leaders) {
      yield () => startRdbCluster({ nodes, factor: Number(copies), leaders: who });
    }
  }
}

interface Settings {
  readonly against: readonly ('redis' | 'etcd')[];
  readonly etcd: string | undefined;
  readonly factor: readonly ('1' | '2' | '3')[];
  readonly leaders: readonly ('one' | 'spread')[];
}

const head = [
  ['load', 'store', 'operations/s', 'min–max', 'ratio (min–max)', 'CPU µs (user + system)'],
  ['ratio of CPU', 'p50 ms', 'p99 ms', 'p99.9 ms', 'generator', 'others'],
].flat();

function describe(rows: readonly Row[]): string {
  const cells = rows.flatMap(({ load, contenders }) =>
    contenders.map((contender, index) => {
      const speed = over(contender, 'perSecond');
      const base = contenders[0] ?? contender;
      const figure = (name: 'p50Ns' | 'p99Ns' | 'p999Ns'): string => {
        const value = over(contender, name);
        return value === undefined ? '-' : milliseconds(value.median);
      };
      const cores = (name: 'generatorShare' | 'othersCores'): string =>
        over(contender, name)?.median.toFixed(2) ?? '-';
      const cpu = (name: 'userUs' | 'systemUs'): string =>
        digits(over(contender, name)?.median ?? 0);
      return [
        load,
        contender.title,
        perSecond(speed?.median ?? 0),
        `${perSecond(speed?.min ?? 0)}–${perSecond(speed?.max ?? 0)}`,
        index === 0 ? '' : ratio(throughputRatio(contender, base)),
        `${cpu('userUs')} + ${cpu('systemUs')}`,
        index === 0 ? '' : ratio(cpuRatio(contender, base)),
        ...[figure('p50Ns'), figure('p99Ns'), figure('p999Ns')],
        ...[cores('generatorShare'), cores('othersCores')],
      ];
    }),
  );
  return `${table(head, cells)}

A load is operation/connections/pipeline. Ratios are to the first store of the same load, medians over pairs of neighbouring
rounds. CPU time is that of all processes of a store for each operation. Redis is asked for one WAIT behind the SETs that go out
together, and they count as answered with it; all requests of etcd go to its leader.`;
}

function plot(rows: readonly Row[]): string {
  return groupedBars({
    title: 'Operations a second with several copies (median; whiskers: slowest and fastest round)',
    unit: 'operations/s',
    groups: rows.map(({ load, contenders }) => ({
      label: load,
      bars: contenders.map((contender) => {
        const speed = over(contender, 'perSecond') ?? { median: 0, min: 0, max: 0 };
        return { series: contender.title, value: speed.median, min: speed.min, max: speed.max };
      }),
    })),
  });
}
