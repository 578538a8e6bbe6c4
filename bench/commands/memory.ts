/** Resident bytes that a key takes, its value included. */
import { setTimeout as delay } from 'node:timers/promises';
import { buildGenerator } from '../generator/build.ts';
import { limits } from '../limits.ts';
import { number, several } from '../options.ts';
import { preload } from '../preload.ts';
import { residentBytes } from '../process.ts';
import type { ServerName } from '../servers/server.ts';
import { startOnce, startServer } from '../servers/start.ts';
import { groupedBars } from '../svg.ts';
import { digits, table } from '../table.ts';
import { type Context, command, outputOption, type Report } from './command.ts';

const keyBytes = 16;
const sizes = ['16', '100', '1000'] as const;

const options = {
  against: several('peers to compare with', ['redis', 'memcached'], 'redis'),
  keys: number('pairs to store', { min: 1000, max: limits.keysMax, preset: 1_000_000 }),
  values: several('bytes of a value', sizes, '16,100'),
  output: outputOption,
};

interface Row {
  readonly title: string;
  readonly valueBytes: number;
  readonly emptyBytes: number;
  readonly fullBytes: number;
  readonly bytesPerKey: number;
  /** Of a key that comes to a tenth of them: without what the first load itself takes for good. */
  readonly bytesPerFurtherKey: number;
}

export const memory = command({
  summary: 'resident bytes a key, against Redis and memcached',
  options,
  async run(settings, context): Promise<Report> {
    const program = await buildGenerator(context);
    await startOnce(['r_db']);
    const rows: Row[] = [];
    for (const value of settings.values) {
      for (const name of [...settings.against, 'r_db'] as const) {
        const pairs = { keys: settings.keys, valueBytes: Number(value) };
        rows.push(await measure(name, program, pairs, context));
      }
    }
    return { text: describe(rows), data: { settings, rows }, svg: plot(rows) };
  },
});

/** A fresh server each time: what an earlier run left in its allocator would count. */
async function measure(
  name: ServerName,
  program: string,
  pairs: { readonly keys: number; readonly valueBytes: number },
  context: Context,
): Promise<Row> {
  await using server = await startServer(name);
  await delay(limits.settleMs);
  const emptyBytes = await residentBytes(server.pid);
  const fill = async (keys: number): Promise<number> => {
    await preload(program, server, { ...pairs, keys });
    await delay(limits.settleMs);
    return residentBytes(server.pid);
  };
  const tenth = Math.floor(pairs.keys / 10);
  const tenthBytes = await fill(tenth);
  const fullBytes = await fill(pairs.keys);
  const bytesPerKey = (fullBytes - emptyBytes) / pairs.keys;
  const bytesPerFurtherKey = (fullBytes - tenthBytes) / (pairs.keys - tenth);
  context.progress(`${server.title}, ${pairs.valueBytes}: ${digits(bytesPerKey)} bytes a key`);
  const { title } = server;
  const { valueBytes } = pairs;
  return { title, valueBytes, emptyBytes, fullBytes, bytesPerKey, bytesPerFurtherKey };
}

function describe(rows: readonly Row[]): string {
  const mebibytes = (bytes: number): string => digits(bytes / 2 ** 20);
  const head = [
    'key + value bytes',
    'server',
    'bytes a key',
    'of a further key',
    'empty MiB',
    'full MiB',
  ];
  const cells = rows.map((row) => [
    `${keyBytes} + ${row.valueBytes}`,
    row.title,
    digits(row.bytesPerKey),
    digits(row.bytesPerFurtherKey),
    mebibytes(row.emptyBytes),
    mebibytes(row.fullBytes),
  ]);
  return `${table(head, cells)}

Resident memory of the server's process after storing, less that before, divided by the keys. "A further
key" counts from when a tenth of them is there, so without the buffers that the first load fills.`;
}

function plot(rows: readonly Row[]): string {
  const valueBytes = [...new Set(rows.map((row) => row.valueBytes))];
  return groupedBars({
    title: 'Resident bytes a key, its value included',
    unit: 'bytes',
    groups: valueBytes.map((bytes) => ({
      label: `${keyBytes} + ${bytes} bytes`,
      bars: rows
        .filter((row) => row.valueBytes === bytes)
        .map((row) => ({ series: row.title, value: row.bytesPerKey })),
    })),
  });
}
