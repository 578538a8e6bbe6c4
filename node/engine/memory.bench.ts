/**
 * Resident bytes of a key: `node node/engine/memory.bench.ts [keys] [value bytes] [--no-inline]`.
 * Prints what the process' resident memory grew by, and how the engine counts it. `--no-inline`
 * compiles the engine without values inside records, for comparison.
 */
import { compileEngine } from './build.ts';
import { makeHarness } from './testing/harness.ts';

const numbers = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const keys = Number(numbers[0] ?? 1_000_000);
const valueBytes = Number(numbers[1] ?? 16);
const inline = !process.argv.includes('--no-inline');

const module = inline
  ? undefined
  : new WebAssembly.Module(
      await compileEngine({ variant: { limits: { inlineValueBytesMax: 0 } } }),
    );
const { engine, connection } = makeHarness(
  { reservedBytes: 2 ** 32 - 65_536, budgetBytes: 3 * 2 ** 30, shards: 64 },
  module,
);
const value = 'x'.repeat(valueBytes);

// One chunk of 100 commands whose digits are rewritten in place: no garbage in the measurement.
const perChunk = 100;
const line = `*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$${valueBytes}\r\n${value}\r\n`;
const digitsAt = line.indexOf('key:') + 4;
const chunk = new TextEncoder().encode(line.repeat(perChunk));

function insert(from: number, to: number): void {
  for (let start = from; start < to; start += perChunk) {
    for (let index = 0; index < perChunk; index++) {
      let rest = start + index;
      for (let digit = 11; digit >= 0; digit--) {
        chunk[index * line.length + digitsAt + digit] = 48 + (rest % 10);
        rest = Math.floor(rest / 10);
      }
    }
    engine.input.set(chunk);
    engine.execute(connection, engine.input.byteOffset, 0, chunk.length, 0, 1_000_000, 1);
  }
}

function resident(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

// Warm up: the code of both sides is compiled and JavaScript's heap has its size.
insert(0, 20_000);
const before = resident();
insert(20_000, keys + 20_000);
const after = resident();
const { records, index, used } = engine.memoryStatistics();
const all = keys + 20_000;
console.log(`${keys} keys, 16 + ${valueBytes} bytes, ${inline ? '' : 'no '}inline values`);
console.log(`resident     ${((after - before) / keys).toFixed(1)} bytes a key`);
console.log(
  `engine used  ${(used / all).toFixed(1)} (records ${(records / all).toFixed(1)}, index ${(index / all).toFixed(1)})`,
);
