/**
 * What several copies cost in the engine: `node node/engine/copies.bench.ts [keys]`. Nanoseconds a command of 16-byte keys and
 * values, for batches of several sizes: executing and gathering, sealing, committing, and a follower's part.
 */
import { frame, makeHarness } from './testing/harness.ts';

const keys = Number(process.argv[2] ?? 100_000);
const options = { reservedBytes: 2 ** 30, budgetBytes: 2 ** 29, shards: 1 };
const leader = makeHarness(options);
const follower = makeHarness(options);
leader.engine.setReplicated(0, true);
follower.engine.publish(0, { role: 'elsewhere' });

function chunk(commands: number): Buffer {
  return Buffer.concat(
    Array.from({ length: commands }, () => {
      const key = `key:${String(Math.floor(Math.random() * keys)).padStart(12, '0')}`;
      return frame('SET', key, 'x'.repeat(16));
    }),
  );
}

type Part = 'execute' | 'seal' | 'commit' | 'apply';

function round(bytes: Buffer, times: Record<Part, number[]>, commands: number): void {
  const { engine, connection } = leader;
  const marks = [performance.now()];
  engine.input.set(bytes);
  engine.execute(connection, engine.input.byteOffset, 0, bytes.length, 0, 1_000_000, 1);
  marks.push(performance.now());
  const batch = engine.seal(0);
  if (batch === undefined || batch === 'busy') throw new Error('nothing was gathered');
  marks.push(performance.now());
  engine.commit(0);
  engine.settleConnection(connection);
  marks.push(performance.now());
  follower.engine.apply(0, [batch.content]);
  marks.push(performance.now());
  (['execute', 'seal', 'commit', 'apply'] as const).forEach((part, index) => {
    times[part].push((((marks[index + 1] ?? 0) - (marks[index] ?? 0)) * 1e6) / commands);
  });
}

for (const commands of [1, 16, 256, 2048]) {
  const chunks = Array.from({ length: 200 }, () => chunk(commands));
  const times: Record<Part, number[]> = { execute: [], seal: [], commit: [], apply: [] };
  for (let turn = 0; turn < Math.max(2000, 40_000 / commands); turn++) {
    round(chunks[turn % chunks.length] ?? Buffer.alloc(0), times, commands);
  }
  const parts = Object.entries(times).map(([part, all]) => {
    all.sort((a, b) => a - b);
    return `${part} ${(all[Math.floor(all.length / 4)] ?? 0).toFixed(0).padStart(6)}`;
  });
  console.log(`${String(commands).padStart(5)} SETs a batch, ns a SET:  ${parts.join('   ')}`);
}
