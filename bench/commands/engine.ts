/** What a command costs inside WebAssembly, no socket in sight: where a slower engine shows first. */
import { makeBenchEngine } from '../engine/make.ts';
import { type EngineRun, runEngine } from '../engine/run.ts';
import { limits } from '../limits.ts';
import { number } from '../options.ts';
import { type Spread, spread } from '../statistics.ts';
import { digits, milliseconds, table } from '../table.ts';
import { command, outputOption, type Report } from './command.ts';

const options = {
  keys: number('keys stored', { min: 1000, max: limits.keysMax, preset: 1_000_000 }),
  value: number('bytes of a value', { min: 12, max: 4096, preset: 16 }),
  commands: number('commands of a round', { min: 1000, max: 100_000_000, preset: 1_000_000 }),
  rounds: number('rounds of each', { min: 1, max: limits.roundsMax, preset: 5 }),
  output: outputOption,
};

const operations = ['get', 'get missing', 'set', 'incr', 'ping'] as const;
const depths = [1, 16, 64] as const;

interface Row {
  readonly operation: string;
  readonly depth: number;
  readonly medianNs: Spread;
  readonly meanNs: Spread;
  readonly longestChunkNs: Spread;
}

export const engine = command({
  summary: 'nanoseconds a command inside WebAssembly, without sockets',
  options,
  async run(settings, context): Promise<Report> {
    const { keys, value: valueBytes } = settings;
    const engine_ = makeBenchEngine(keys, valueBytes);
    const insert = {
      operation: 'set',
      depth: 16,
      valueBytes,
      key: (index: number) => index,
    } as const;
    const rows: Row[] = [summary('set, new key', 16, [runEngine(engine_, keys, insert)])];
    for (const operation of operations) {
      for (const depth of depths) {
        const runs = Array.from({ length: settings.rounds }, (_, round) => {
          const key = (index: number): number => scatter(index + round * settings.commands) % keys;
          return runEngine(engine_, settings.commands, { operation, depth, valueBytes, key });
        });
        const row = summary(operation, depth, runs);
        rows.push(row);
        context.progress(`${operation} depth ${depth}: ${digits(row.medianNs.median)} ns`);
      }
    }
    return { text: describe(rows), data: { settings, rows } };
  },
});

function summary(operation: string, depth: number, runs: readonly EngineRun[]): Row {
  return {
    operation,
    depth,
    medianNs: spread(runs.map((run) => run.medianNs)),
    meanNs: spread(runs.map((run) => run.meanNs)),
    longestChunkNs: spread(runs.map((run) => run.longestChunkNs)),
  };
}

/** Spreads neighbouring numbers over all of 32 bits: keys in an order that no cache foresees. */
function scatter(index: number): number {
  const mixed = Math.imul(index ^ (index >>> 16), 0x45d9f3b);
  return Math.imul(mixed ^ (mixed >>> 13), 0x119de1f3) >>> 0;
}

function describe(rows: readonly Row[]): string {
  const head = [
    'operation',
    'commands a chunk',
    'ns a command (min–max)',
    'mean',
    'longest chunk ms',
  ];
  const cells = rows.map(({ operation, depth, medianNs, meanNs, longestChunkNs }) => [
    operation,
    String(depth),
    `${digits(medianNs.median)} (${digits(medianNs.min)}–${digits(medianNs.max)})`,
    digits(meanNs.median),
    milliseconds(longestChunkNs.max),
  ]);
  return `${table(head, cells)}

The chunk in the middle; the mean has rare work and other processes' in it. The chunk's copy into WebAssembly memory and one call are in it, each shared by the chunk's commands; so
is the clock, about 50 ns a chunk. Every reply is compared with the right one, outside the time.`;
}
