/**
 * Nanoseconds of a command inside the engine: `node node/engine/speed.bench.ts [keys] [commands]`.
 * Chunks of 64 commands with 16-byte keys and values, one thread; the copy of the chunk into the
 * window is in it. For a profile with names run `node node/engine/build.ts --names` first.
 */
import { makeHarness } from './testing/harness.ts';

const keys = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 4_000_000);
const pipeline = 64;

const harness = makeHarness({ reservedBytes: 2 ** 31, budgetBytes: 2 ** 30, shards: 64 });
const { engine, connection } = harness;

function keyOf(index: number): string {
  return `key:${String(index).padStart(12, '0')}`;
}

function chunk(command: 'SET' | 'GET', indices: readonly number[]): Buffer {
  const lines = indices.map((index) =>
    command === 'GET'
      ? `*2\r\n$3\r\nGET\r\n$16\r\n${keyOf(index)}\r\n`
      : `*3\r\n$3\r\nSET\r\n$16\r\n${keyOf(index)}\r\n$16\r\nxxxxxxxxxxxxxxxx\r\n`,
  );
  return Buffer.from(lines.join(''));
}

function runChunk(bytes: Buffer): void {
  engine.input.set(bytes);
  engine.execute(connection, engine.input.byteOffset, 0, bytes.length, 0, 1_000_000, 1);
}

/** Slices of about 13,000 commands: the best one is what the code costs where nothing else runs. */
function measure(name: string, chunks: readonly Buffer[], commands: number): void {
  const slices: number[] = [];
  let next = 0;
  for (let done = 0; done < commands; ) {
    const start = process.hrtime.bigint();
    let slice = 0;
    for (; slice < 200 * pipeline; slice += pipeline) {
      const bytes = chunks[next++ % chunks.length];
      if (bytes !== undefined) runChunk(bytes);
    }
    slices.push(Number(process.hrtime.bigint() - start) / slice);
    done += slice;
  }
  slices.sort((a, b) => a - b);
  const at = (share: number): string =>
    (slices[Math.floor((slices.length - 1) * share)] ?? 0).toFixed(1).padStart(8);
  console.log(`${name.padEnd(24)} best ${at(0)}   median ${at(0.5)}   ns a command`);
}

function randomChunks(command: 'SET' | 'GET', range: number, count: number): Buffer[] {
  return Array.from({ length: count }, () =>
    chunk(
      command,
      Array.from({ length: pipeline }, () => Math.floor(Math.random() * range)),
    ),
  );
}

const inserts: Buffer[] = [];
for (let from = 0; from < keys; from += pipeline) {
  inserts.push(
    chunk(
      'SET',
      Array.from({ length: pipeline }, (_, index) => from + index),
    ),
  );
}
measure('SET of new keys', inserts, keys);
for (const range of [1000, keys]) {
  const sets = randomChunks('SET', range, 2000);
  const gets = randomChunks('GET', range, 2000);
  for (let turn = 0; turn < 2; turn++) {
    measure(`SET, ${range} keys`, sets, rounds);
    measure(`GET, ${range} keys`, gets, rounds);
  }
}
const pings = [Buffer.from('*1\r\n$4\r\nPING\r\n'.repeat(pipeline))];
measure('PING', pings, rounds);
