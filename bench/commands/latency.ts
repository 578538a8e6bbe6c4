/** Latency at a fixed rate: requests are due whatever the server does, so that stalls count in full. */
import { buildGenerator } from '../generator/build.ts';
import { measureWithOurs } from '../generator/figures.ts';
import { limits } from '../limits.ts';
import { number, several } from '../options.ts';
import { preload } from '../preload.ts';
import { type Figures, over, pauseOption, runRounds, type ServerRounds } from '../rounds.ts';
import { startServers } from '../servers/start.ts';
import { milliseconds, perSecond, table } from '../table.ts';
import { command, outputOption, type Report } from './command.ts';

const options = {
  against: several('peers to compare with', ['redis'], 'redis'),
  operations: several('what to measure', ['get', 'set', 'mixed'], 'get,set'),
  rate: number('requests due each second', {
    min: 1,
    max: limits.ratePerSecondMax,
    preset: 20_000,
  }),
  keys: number('keys stored before, and drawn from', {
    min: 1,
    max: limits.keysMax,
    preset: 1_000_000,
  }),
  value: number('bytes of a value', { min: 1, max: limits.valueBytesMax, preset: 16 }),
  connections: number('connections', { min: 1, max: limits.connectionsMax, preset: 50 }),
  rounds: number('rounds of each, in turn', { min: 1, max: limits.roundsMax, preset: 5 }),
  seconds: number('length of a round', {
    min: 0.05,
    max: limits.secondsMax,
    preset: 5,
    fraction: true,
  }),
  pause: pauseOption,
  output: outputOption,
};

interface Row {
  readonly operation: 'get' | 'set' | 'mixed';
  readonly servers: readonly ServerRounds[];
}

export const latency = command({
  summary: 'latency at a fixed rate over RESP, against Redis',
  options,
  async run(settings, context): Promise<Report> {
    const program = await buildGenerator(context);
    await using running = await startServers([...settings.against, 'r_db']);
    const pairs = { keys: settings.keys, valueBytes: settings.value };
    for (const server of running.servers) await preload(program, server, pairs);

    const rows: Row[] = [];
    for (const operation of settings.operations) {
      const servers = await runRounds(running.servers, settings, async (server, round) => {
        const { port, pid, protocol } = server;
        const figures = await measureWithOurs(program, {
          ...pairs,
          ...{ operation, port, pid, protocol, pipeline: '1' },
          connections: settings.connections,
          seconds: settings.seconds,
          ratePerSecond: settings.rate,
          seed: round + 1,
          salt: 1 + (round % (limits.salts - 1)),
        });
        const p99 = milliseconds(figures.p99Ns);
        context.progress(`${operation} ${server.title}: p99 ${p99} ms`);
        return figures;
      });
      rows.push({ operation, servers });
    }
    return { text: describe(rows, settings.rate), data: { settings, rows } };
  },
});

const head = ['operation', 'server', 'replies/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms'];

function describe(rows: readonly Row[], rate: number): string {
  const cells = rows.flatMap(({ operation, servers }) =>
    servers.map((server) => {
      const time = (figure: keyof Figures): string => {
        const value = over(server, figure);
        if (value === undefined) return '-';
        const { median, min, max } = value;
        return `${milliseconds(median)} (${milliseconds(min)}–${milliseconds(max)})`;
      };
      return [
        operation,
        server.title,
        perSecond(over(server, 'perSecond')?.median ?? 0),
        ...[time('p50Ns'), time('p99Ns'), time('p999Ns'), time('maxNs'), time('latenessP99Ns')],
      ];
    }),
  );
  return `${table([...head, 'sent late p99 ms'], cells)}

${rate} requests a second were due at fixed times; a latency counts from when its request was due. Medians
of the rounds (smallest–largest). "sent late" is the generator's own share.`;
}
