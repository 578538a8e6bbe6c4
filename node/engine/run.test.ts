/**
 * Runs of plain GETs and SETs (assembly/resp/run.ts) among everything that ends one, over more data
 * than the caches hold, so that the passes that only load take part.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { frame, type Harness, makeHarness, run, runBytes } from './testing/harness.ts';

const keys = 40_000;
/** Above this much data a run loads ahead (TOUCH_UNITS in run.ts). */
const touchedBytes = 1 << 20;

const keyOf = (index: number): string => `key:${String(index).padStart(8, '0')}`;
const bulk = (value: string | undefined): string =>
  value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`;

interface Step {
  readonly words: readonly string[];
  /** Changes the model and gives the reply that is right. */
  readonly expect: (model: Map<string, string>) => string;
}

const key = fc.oneof(
  { weight: 3, arbitrary: fc.nat(keys * 2).map(keyOf) },
  // A few keys often: several commands of a run have the same one.
  { weight: 2, arbitrary: fc.nat(5).map((index) => `{tag}${index}`) },
  { weight: 1, arbitrary: fc.nat(300).map((length) => 'k'.repeat(length)) },
);
const value = fc.oneof(
  fc.nat(40).map((length) => 'v'.repeat(length)),
  fc.integer().map(String),
  fc.constantFrom(99, 100, 255, 256, 999, 1000, 70_000).map((length) => 'w'.repeat(length)),
);
const get = fc.record({ name: fc.constantFrom('GET', 'get', 'gEt'), key }).map(
  (step): Step => ({
    words: [step.name, step.key],
    expect: (model) => bulk(model.get(step.key)),
  }),
);
const set = fc.record({ name: fc.constantFrom('SET', 'set', 'SeT'), key, value }).map(
  (step): Step => ({
    words: [step.name, step.key, step.value],
    expect: (model) => {
      model.set(step.key, step.value);
      return '+OK\r\n';
    },
  }),
);
const remove = key.map(
  (name): Step => ({
    words: ['DEL', name],
    expect: (model) => (model.delete(name) ? ':1\r\n' : ':0\r\n'),
  }),
);
const ping: Step = { words: ['PING'], expect: () => '+PONG\r\n' };
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: get },
    { weight: 8, arbitrary: set },
    { weight: 1, arbitrary: remove },
    { weight: 1, arbitrary: fc.constant(ping) },
  ),
  { maxLength: 150 },
);

describe('runs of plain commands', () => {
  it('answer as one command after the other, with data beyond the caches', () => {
    const harness = makeHarness();
    const model = new Map<string, string>();
    for (let index = 0; index < keys; index++) {
      expect(run(harness, ['SET', keyOf(index), `value of ${index}`])).to.equal('+OK\r\n');
      model.set(keyOf(index), `value of ${index}`);
    }
    expect(harness.engine.memoryStatistics().used).to.be.greaterThan(touchedBytes);
    fc.assert(
      fc.property(steps, (list) => {
        const bytes = Buffer.concat(list.map(({ words }) => frame(...words)));
        const right = list.map((step) => step.expect(model)).join('');
        expect(runBytes(harness, bytes).text).to.equal(right);
      }),
      { numRuns: 200, verbose: true },
    );
    let there = 0;
    for (let shard = 0; shard < harness.arena.options.shards; shard++) {
      there += harness.engine.shardStatistics(shard).keys;
    }
    expect(there).to.equal(model.size);
  });

  it('count their calls', () => {
    const harness = makeHarness();
    const list = [frame('SET', 'a', 'b'), frame('GET', 'a'), frame('GET', 'b'), frame('PING')];
    runBytes(harness, Buffer.concat(list));
    const calls = harness.engine.commandStatistics().map((command) => command.calls);
    expect(calls.slice(0, 2)).to.deep.equal([2, 1]);
  });

  it('end before an expired key, a long value, refused memory and a shard that is not led', () => {
    const harness = makeHarness({ budgetBytes: 4 << 20 });
    const { engine } = harness;
    run(harness, ['SET', 'a', '0']);
    run(harness, ['SET', 'gone', 'x', 'PX', '5'], 1_000_000);
    run(harness, ['SET', 'long', 'y'.repeat(70_000)]);
    const large = 'z'.repeat(100_000);
    let stored = 0;
    while (run(harness, ['SET', `large:${stored}`, large]) === '+OK\r\n') stored++;
    expect(stored).to.be.greaterThan(10);
    const many = [
      frame('SET', 'a', '1'),
      frame('GET', 'gone'),
      frame('GET', 'long'),
      frame('SET', 'larger', large),
      frame('GET', 'a'),
    ];
    const { text } = runBytes(harness, Buffer.concat(many), 1_000_010);
    expect(text).to.match(/^\+OK\r\n\$-1\r\n\$70000\r\ny+\r\n-OOM [^\r]*\r\n\$1\r\n1\r\n$/);
    for (let shard = 0; shard < harness.arena.options.shards; shard++) {
      engine.publish(shard, { role: 'elsewhere' });
    }
    const elsewhere = Buffer.concat([frame('SET', 'a', '2'), frame('GET', 'a')]);
    expect(runBytes(harness, elsewhere).text).to.match(/^(-CLUSTERDOWN [^\r]*\r\n){2}$/);
  });

  it('take lengths as Redis does: a leading zero is none', () => {
    const bytes = Buffer.from('*2\r\n$3\r\nGET\r\n$03\r\nabc\r\n');
    expect(runBytes(makeHarness(), bytes).text).to.contain('invalid bulk length');
  });
});

describe('loading ahead', () => {
  /** Puts chunks one behind the other and loads ahead what they need. */
  function look(harness: Harness, chunks: readonly Uint8Array[]): void {
    const { engine, arena } = harness;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const list = engine.allocateBuffer(4 * (chunks.length + 1));
    const buffer = engine.allocateBuffer(bytes + 1);
    const starts = new Uint32Array(arena.memory.buffer, list, chunks.length + 1);
    let at = buffer;
    for (const [index, chunk] of chunks.entries()) {
      engine.view(at, chunk.length).set(chunk);
      starts[index] = at;
      at += chunk.length;
    }
    starts[chunks.length] = at;
    engine.loadAhead(list, chunks.length);
    engine.freeBuffer(buffer);
    engine.freeBuffer(list);
  }

  const cut = fc
    .tuple(fc.constantFrom('GET', 'set', 'INCR', 'EXPIRE'), key, fc.nat(60))
    .map(([name, word, length]) => frame(name, word, 'x').subarray(0, length));
  const chunk = fc.oneof(
    { weight: 3, arbitrary: fc.oneof(get, set, remove).map(({ words }) => frame(...words)) },
    { weight: 1, arbitrary: cut },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  );

  function filled(): Harness {
    const harness = makeHarness();
    for (let index = 0; index < keys; index++) run(harness, ['SET', keyOf(index), `${index}`]);
    expect(harness.engine.memoryStatistics().used).to.be.greaterThan(touchedBytes);
    return harness;
  }

  it('changes nothing, whatever the chunks are', () => {
    const harness = filled();
    const { engine, arena } = harness;
    const { records, index } = engine.memoryStatistics();
    fc.assert(fc.property(fc.array(chunk, { maxLength: 100 }), (list) => look(harness, list)));
    expect(engine.memoryStatistics()).to.include({ records, index });
    let there = 0;
    for (let shard = 0; shard < arena.options.shards; shard++) {
      there += engine.shardStatistics(shard).keys;
    }
    expect(there).to.equal(keys);
    expect(run(harness, ['GET', keyOf(7)])).to.equal('$1\r\n7\r\n');
  });

  it('survives an index that another thread changes: any bytes where it looks', () => {
    const harness = filled();
    const { arena, connection } = harness;
    const list = Array.from({ length: 64 }, (_, index) => frame('SET', keyOf(index), 'x'));
    const heap = new Uint32Array(arena.memory.buffer, connection & ~65_535);
    const bytes = Buffer.concat(list);
    // The chunks themselves stand where no one else writes.
    const { engine } = harness;
    engine.input.set(bytes);
    const starts = new Uint32Array(arena.memory.buffer, engine.output.byteOffset, 65);
    let at = engine.input.byteOffset;
    for (const [index, one] of list.entries()) {
      starts[index] = at;
      at += one.length;
    }
    starts[64] = at;
    for (const word of [0, 1, 0x7fff_fff0, 0xffff_fff0, 0xffff_ffff]) {
      heap.fill(word);
      engine.loadAhead(engine.output.byteOffset, 64);
    }
    for (let index = 0; index < heap.length; index++) heap[index] = (index * 0x9e37_79b9) >>> 0;
    engine.loadAhead(engine.output.byteOffset, 64);
  });
});
