/** Throughput, CPU time and latency over Redis' protocol, against Redis in the same run. */

import { buildGenerator } from '../generator/build.ts';
import { measureWithOurs, measureWithRedisBenchmark } from '../generator/figures.ts';
import { limits } from '../limits.ts';
import { depths, flag, number, one, optionalNumber, several } from '../options.ts';
import { preload } from '../preload.ts';
import {
  cpuRatio,
  over,
  pauseOption,
  runRounds,
  type ServerRounds,
  throughputRatio,
} from '../rounds.ts';
import type { BenchServer } from '../servers/server.ts';
import { startServers } from '../servers/start.ts';
import { groupedBars } from '../svg.ts';
import { digits, milliseconds, perSecond, ratio, table } from '../table.ts';
import { command, outputOption, type Report } from './command.ts';

const options = {
  against: several('peers to compare with', ['redis'], 'redis'),
  pipeline: depths('requests sent before a reply is waited for', limits.pipelineMax, '1,16,64'),
  operations: several('what to measure', ['get', 'set', 'mixed'], 'get,set'),
  keys: number('keys stored before, and drawn from', {
    min: 1,
    max: limits.keysMax,
    preset: 1_000_000,
  }),
  value: number('bytes of a value; keys have 16', {
    min: 1,
    max: limits.valueBytesMax,
    preset: 16,
  }),
  connections: number('connections', { min: 1, max: limits.connectionsMax, preset: 50 }),
  rounds: number('rounds of each, in turn', { min: 1, max: limits.roundsMax, preset: 5 }),
  seconds: number('length of a round', {
    min: 0.05,
    max: limits.secondsMax,
    preset: 3,
    fraction: true,
  }),
  requests: optionalNumber('length of a round in requests instead', {
    min: 1,
    max: limits.requestsMax,
  }),
  generator: one('who makes the load', ['ours', 'redis-benchmark'], 'ours'),
  pause: pauseOption,
  output: outputOption,
  smoke: flag('r_db alone for a second: does it all work?'),
};

interface Row {
  readonly operation: 'get' | 'set' | 'mixed';
  readonly pipeline: string;
  readonly servers: readonly ServerRounds[];
}

export const resp = command({
  summary: 'throughput, CPU time and latency over RESP, against Redis',
  options,
  async run(given, context): Promise<Report> {
    const smoke = { against: [], pipeline: ['16'], keys: 10_000, rounds: 1, seconds: 0.2 } as const;
    const settings = given.smoke ? { ...given, ...smoke } : given;
    const program = await buildGenerator(context);
    await using running = await startServers([...settings.against, 'r_db']);
    const pairs = { keys: settings.keys, valueBytes: settings.value };
    for (const server of running.servers) {
      context.progress(`storing ${settings.keys} keys in ${server.title}`);
      await preload(program, server, pairs);
    }

    const rows: Row[] = [];
    for (const pipeline of settings.pipeline) {
      for (const operation of settings.operations) {
        const measure = async (server: BenchServer, round: number) => {
          const { port, pid, protocol } = server;
          const load = {
            ...pairs,
            ...{ operation, port, pid, protocol, pipeline },
            connections: settings.connections,
            requests: settings.requests,
            seconds: settings.seconds,
            warmupSeconds: Math.min(0.5, settings.seconds),
            seed: round + 1,
            salt: 1 + ((rows.length * settings.rounds + round) % (limits.salts - 1)),
          };
          const figures =
            settings.generator === 'ours'
              ? await measureWithOurs(program, load)
              : await measureWithRedisBenchmark(load);
          const speed = perSecond(figures.perSecond);
          context.progress(`${operation} pipeline ${pipeline} ${server.title}: ${speed}/s`);
          return figures;
        };
        const servers = await runRounds(running.servers, settings, measure);
        rows.push({ operation, pipeline, servers });
      }
    }
    return { text: describe(rows), data: { settings, rows }, svg: plot(rows) };
  },
});

const head = [
  ['operation', 'pipeline', 'server', 'operations/s', 'min–max', 'ratio (min–max)'],
  ['CPU µs (user + system)', 'ratio of CPU', 'p50 ms', 'p99 ms', 'p99.9 ms', 'generator', 'others'],
].flat();

function describe(rows: readonly Row[]): string {
  const cells = rows.flatMap(({ operation, pipeline, servers }) =>
    servers.map((server, index) => {
      const speed = over(server, 'perSecond');
      const base = servers[0] ?? server;
      const isBase = index === 0;
      const cores = (figure: 'generatorShare' | 'othersCores'): string => {
        const value = over(server, figure);
        return value === undefined ? '-' : value.median.toFixed(2);
      };
      const time = (figure: 'p50Ns' | 'p99Ns' | 'p999Ns'): string => {
        const value = over(server, figure);
        return value === undefined ? '-' : milliseconds(value.median);
      };
      return [
        operation,
        pipeline,
        server.title,
        perSecond(speed?.median ?? 0),
        `${perSecond(speed?.min ?? 0)}–${perSecond(speed?.max ?? 0)}`,
        isBase ? '' : ratio(throughputRatio(server, base)),
        `${digits(over(server, 'userUs')?.median ?? 0)} + ${digits(over(server, 'systemUs')?.median ?? 0)}`,
        isBase ? '' : ratio(cpuRatio(server, base)),
        ...[time('p50Ns'), time('p99Ns'), time('p999Ns')],
        ...[cores('generatorShare'), cores('othersCores')],
      ];
    }),
  );
  return `${table(head, cells)}

Ratios are medians over pairs of neighbouring rounds. CPU time is that of the server's process for each
operation. "generator" and "others" are the cores that the load generator and all else on the machine used:
a generator near 1.00 is itself the limit; others' work makes all figures worse.`;
}

function plot(rows: readonly Row[]): string {
  return groupedBars({
    title: 'Operations a second over RESP (median; whiskers: slowest and fastest round)',
    unit: 'operations/s',
    groups: rows.map(({ operation, pipeline, servers }) => ({
      label: `${operation.toUpperCase()} P${pipeline}`,
      bars: servers.map((server) => {
        const speed = over(server, 'perSecond') ?? { median: 0, min: 0, max: 0 };
        return { series: server.title, value: speed.median, min: speed.min, max: speed.max };
      }),
    })),
  });
}
