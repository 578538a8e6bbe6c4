import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createArena } from './engine.ts';
import { EngineError } from './errors.ts';
import {
  defaultOptions,
  frame,
  type Harness,
  makeHarness,
  run,
  runBytes,
} from './testing/harness.ts';
import { Stop } from './types.ts';

const refused = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/** Writes keys until one is refused; returns how many fitted. */
function fill(harness: Harness, value: string): number {
  for (let index = 0; ; index++) {
    const reply = run(harness, ['SET', `key:${index}`, value]);
    if (reply === refused) return index;
    expect(reply).to.equal('+OK\r\n');
  }
}

describe('memory of an arena', function () {
  this.timeout(20_000);

  it('is refused above the budget; reads and deletions go on, and make room', () => {
    const harness = makeHarness({ reservedBytes: 24 << 20, budgetBytes: 2 << 20 });
    const fitted = fill(harness, 'x'.repeat(100));
    expect(fitted).to.be.greaterThan(5000);
    expect(harness.engine.memoryStatistics().used).to.be.at.most(2 << 20);
    expect(run(harness, ['GET', 'key:0'])).to.equal(`$100\r\n${'x'.repeat(100)}\r\n`);
    expect(run(harness, ['APPEND', 'key:0', 'y'.repeat(3000)])).to.equal(refused);
    for (let index = 0; index < 2000; index++) {
      expect(run(harness, ['DEL', `key:${index}`])).to.equal(':1\r\n');
    }
    expect(run(harness, ['SET', 'new', 'x'.repeat(100)])).to.equal('+OK\r\n');
  });

  it('of one size serves another once it is free', () => {
    const harness = makeHarness({ reservedBytes: 24 << 20, budgetBytes: 2 << 20 });
    const small = fill(harness, 'x'.repeat(40));
    for (let index = 0; index < small; index++) run(harness, ['DEL', `key:${index}`]);
    harness.engine.flush();
    const large = fill(harness, 'y'.repeat(5000));
    expect(large).to.be.greaterThan(200);
  });

  it('of index and records stays below 70 bytes a key of 16 + 16 bytes, at every size', () => {
    const harness = makeHarness({ reservedBytes: 96 << 20, budgetBytes: 64 << 20, shards: 1 });
    const { engine } = harness;
    for (let from = 0; from < 200_000; from += 1000) {
      const frames: Buffer[] = [];
      for (let index = from; index < from + 1000; index++) {
        frames.push(frame('SET', `key:${String(index).padStart(12, '0')}`, 'x'.repeat(16)));
      }
      runBytes(harness, Buffer.concat(frames));
      if (from < 10_000) continue;
      const { records, index } = engine.memoryStatistics();
      expect((records + index) / (from + 1000)).to.be.lessThan(62);
    }
    // Slabs of sizes that tables have outgrown are not all empty yet.
    expect(engine.memoryStatistics().used / 200_000).to.be.lessThan(72);
  });

  it('pins a long value beyond its deletion, until it is let go', () => {
    const harness = makeHarness({ reservedBytes: 24 << 20, budgetBytes: 8 << 20 });
    const { engine, connection } = harness;
    const value = 'z'.repeat(100_000);
    run(harness, ['SET', 'long', value]);
    const get = frame('GET', 'long');
    engine.input.set(get);
    const stop = engine.execute(connection, engine.input.byteOffset, 0, get.length, 0, 1, 1);
    expect(stop).to.equal(Stop.LongValue);
    const { address, length } = engine.result;
    run(harness, ['DEL', 'long']);
    for (let index = 0; index < 20; index++)
      run(harness, ['SET', `o${index}`, 'o'.repeat(100_000)]);
    expect(Buffer.from(engine.view(address, length).slice()).toString()).to.equal(value);
    const { records } = engine.memoryStatistics();
    engine.unpin(address);
    expect(records - engine.memoryStatistics().records).to.be.greaterThan(100_000);
  });

  it('answers MGET of more than a window, piece by piece', () => {
    const harness = makeHarness({ reservedBytes: 96 << 20, budgetBytes: 64 << 20 });
    const words = ['MGET'];
    let expected = '*41\r\n';
    for (let index = 0; index < 40; index++) {
      const value = String(index % 10).repeat(index % 2 === 0 ? 30_000 : 90_000);
      run(harness, ['SET', `{t}${index}`, value]);
      words.push(`{t}${index}`);
      expected += `$${value.length}\r\n${value}\r\n`;
    }
    words.push('{t}absent');
    expected += '$-1\r\n';
    const bytes = Buffer.concat([frame(...words), frame('PING')]);
    expect(runBytes(harness, bytes).text).to.equal(`${expected}+PONG\r\n`);
    const { buffers } = harness.engine.memoryStatistics();
    expect(buffers).to.equal(32);
  });

  it('removes expired keys that nobody reads, and counts them', () => {
    const harness = makeHarness({ reservedBytes: 24 << 20, budgetBytes: 16 << 20 });
    const { engine } = harness;
    for (let index = 0; index < 3000; index++) run(harness, ['SET', `k${index}`, 'v', 'PX', '100']);
    run(harness, ['SET', 'stays', 'v']);
    expect(run(harness, ['GET', 'k1'], 1_000_200)).to.equal('$-1\r\n');
    let removed = 0;
    for (let turn = 0; turn < 100; turn++) removed += engine.sweep([0, 1, 2, 3], 100, 1_000_200);
    expect(removed).to.equal(3000);
    expect(engine.expiredKeys()).to.equal(3000);
    const keys = [0, 1, 2, 3].reduce((sum, shard) => sum + engine.shardStatistics(shard).keys, 0);
    expect(keys).to.equal(1);
  });

  it('needs options that can work', () => {
    const wrong = (options: object, name: string): void => {
      expect(() => createArena({ ...defaultOptions, ...options }))
        .to.throw(EngineError, name)
        .with.property('code', 'INVALID_OPTIONS');
    };
    wrong({ threads: 0 }, 'threads');
    wrong({ shards: 1025 }, 'shards');
    wrong({ budgetBytes: 128 << 20 }, 'budgetBytes');
    wrong({ reservedBytes: 2 ** 33 }, 'reservedBytes');
    wrong({ reservedBytes: 1 << 20, budgetBytes: 1 << 20 }, 'reservedBytes');
    wrong({ keyBytesMax: 0 }, 'keyBytesMax');
  });
});
