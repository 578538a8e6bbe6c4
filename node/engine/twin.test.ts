import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { attachEngine, createArena } from './engine.ts';
import { command } from './testing/commands.ts';
import {
  contents,
  defaultOptions,
  frame,
  type Harness,
  lead,
  makeHarness,
  run,
  runBytes,
} from './testing/harness.ts';
import { Model } from './testing/model.ts';
import { poisonModule } from './testing/variants.ts';
import { ParkReason, Stop } from './types.ts';

const nowMs = 1_000_000;

function replicateAll(harness: Harness, replicated: boolean): void {
  for (let shard = 0; shard < 4; shard++) {
    expect(harness.engine.setReplicated(shard, replicated)).to.equal(true);
  }
}

describe('batches of a twin', function () {
  this.timeout(20_000);
  const commands = fc.array(command, { minLength: 1, maxLength: 25 });

  it('are invisible while frozen, and as if they had never been after a rollback', async () => {
    const module = await poisonModule();
    fc.assert(
      fc.property(commands, commands, (first, second) => {
        const harness = makeHarness({ reservedBytes: 24 << 20, budgetBytes: 16 << 20 }, module);
        const { engine } = harness;
        runBytes(harness, Buffer.concat(first.map((words) => frame(...words))), nowMs);
        const before = contents(harness);
        const statistics = [0, 1, 2, 3].map((shard) => engine.shardStatistics(shard));
        const { records } = engine.memoryStatistics();
        replicateAll(harness, true);
        runBytes(harness, Buffer.concat(second.map((words) => frame(...words))), nowMs);
        expect(contents(harness)).to.deep.equal(before);
        for (let shard = 0; shard < 4; shard++) expect(engine.rollback(shard)).to.equal(true);
        expect(contents(harness)).to.deep.equal(before);
        expect(engine.memoryStatistics().records).to.equal(records);
        for (let shard = 0; shard < 4; shard++) {
          expect(engine.shardStatistics(shard)).to.deep.equal(statistics[shard]);
        }
        // Both sides are whole: what comes after the rollback agrees with the model.
        replicateAll(harness, false);
        const model = new Model(16 << 20);
        for (const words of first) model.run(words, nowMs);
        for (const words of second) {
          expect(run(harness, words, nowMs)).to.equal(model.run(words, nowMs));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('become visible with the commit, as a whole', () => {
    const harness = makeHarness();
    const { engine } = harness;
    run(harness, ['SET', '{t}a', 'old']);
    replicateAll(harness, true);
    // The connection's own reads of the same chunk see its writes.
    const bytes = Buffer.concat([frame('MSET', '{t}a', 'new', '{t}b', '1'), frame('GET', '{t}a')]);
    expect(runBytes(harness, bytes).text).to.equal('+OK\r\n$3\r\nnew\r\n');
    // Others see what is committed; the connection itself sees what it wrote, and depends on it.
    const other = { ...harness, connection: engine.openConnection() };
    const mget = ['MGET', '{t}a', '{t}b'];
    expect(run(other, mget)).to.equal('*2\r\n$3\r\nold\r\n$-1\r\n');
    expect(engine.gathered.count).to.equal(0);
    expect(run(harness, mget)).to.equal('*2\r\n$3\r\nnew\r\n$1\r\n1\r\n');
    expect(engine.gathered.count).to.equal(1);
    for (let shard = 0; shard < 4; shard++) engine.seal(shard);
    // Who wants to write meanwhile is parked, unexecuted.
    const { stop, consumed } = runBytes(harness, frame('SET', '{t}a', 'later'));
    expect([stop, consumed, engine.result.reason]).to.deep.equal([Stop.Park, 0, ParkReason.Frozen]);
    for (let shard = 0; shard < 4; shard++) expect(engine.commit(shard)).to.equal(true);
    expect(run(harness, ['MGET', '{t}a', '{t}b'])).to.equal('*2\r\n$3\r\nnew\r\n$1\r\n1\r\n');
  });

  it('wakes who waits for a frozen batch', async () => {
    const harness = makeHarness();
    const { engine } = harness;
    replicateAll(harness, true);
    run(harness, ['SET', 'k', '1']);
    for (let one = 0; one < 4; one++) engine.seal(one);
    const { stop } = runBytes(harness, frame('SET', 'k', '2'));
    expect(stop).to.equal(Stop.Park);
    const { shard } = engine.result;
    const woken = engine.waitForShard(shard, 5000);
    const start = performance.now();
    engine.commit(shard);
    await woken;
    expect(performance.now() - start).to.be.lessThan(4000);
    engine.setReplicated(shard, false);
    expect(run(harness, ['SET', 'k', '2'])).to.equal('+OK\r\n');
  });

  it('lets those who wait for a frozen batch not wake each other', async () => {
    const harness = makeHarness();
    const { engine } = harness;
    replicateAll(harness, true);
    run(harness, ['SET', 'k', '1']);
    for (let one = 0; one < 4; one++) engine.seal(one);
    const woken: string[] = [];
    const park = (name: string, attempt: () => number) => {
      const shard = attempt();
      return engine.waitForShard(shard, 5000).then(() => woken.push(name));
    };
    const command = () => {
      expect(runBytes(harness, frame('SET', 'k', '2')).stop).to.equal(Stop.Park);
      return engine.result.shard;
    };
    const operation = () => {
      const [result] = engine.batch([{ kind: 'delete', key: Buffer.from('k') }], nowMs, 0);
      expect(result).to.deep.include({ status: 'park', reason: ParkReason.Frozen });
      return result?.shard ?? -1;
    };
    const waiting = [park('first', command), park('second', operation), park('third', operation)];
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    expect(woken).to.deep.equal([]);
    for (let one = 0; one < 4; one++) engine.commit(one);
    await Promise.all(waiting);
    expect(woken).to.have.length(3);
  });
});

describe('control blocks', () => {
  it('redirect, park or refuse', () => {
    const harness = makeHarness({ shards: 1 });
    const { engine } = harness;
    engine.publish(0, { role: 'elsewhere' });
    expect(run(harness, ['GET', 'foo'])).to.equal('-CLUSTERDOWN Hash slot not served\r\n');
    engine.setRedirect(0, 'demo-1.demo:6379');
    expect(run(harness, ['GET', 'foo'])).to.equal('-MOVED 12182 demo-1.demo:6379\r\n');
    expect(run(harness, ['SET', 'foo', '1'])).to.equal('-MOVED 12182 demo-1.demo:6379\r\n');
    engine.publish(0, { role: 'starting' });
    expect(runBytes(harness, frame('GET', 'foo')).stop).to.equal(Stop.Park);
    expect(engine.result.reason).to.equal(ParkReason.NotServing);
    lead(engine, 0, 2);
    expect(run(harness, ['GET', 'foo'])).to.equal('$-1\r\n');
    expect(engine.serving(0)).to.deep.include({ role: 'leader', epoch: 2, writable: true });
  });

  it('park reads once the promises have run out, and writes until they may start', () => {
    const harness = makeHarness({ shards: 1 });
    const { engine } = harness;
    const serving = { role: 'leader', epoch: 1, generation: 1 } as const;
    engine.publish(0, { ...serving, readUntilMs: 500, writable: false });
    expect(runBytes(harness, frame('GET', 'a'), nowMs, 499).text).to.equal('$-1\r\n');
    expect(runBytes(harness, frame('GET', 'a'), nowMs, 500).stop).to.equal(Stop.Park);
    expect(runBytes(harness, frame('SET', 'a', '1'), nowMs, 499).stop).to.equal(Stop.Park);
    engine.publish(0, { ...serving, readUntilMs: 500, writable: true });
    expect(runBytes(harness, frame('SET', 'a', '1'), nowMs, 499).text).to.equal('+OK\r\n');
  });

  it('answers what stands before a parked command, and executes nothing behind it', () => {
    const harness = makeHarness({ shards: 2 });
    const { engine } = harness;
    // foo lies in shard 1, bar in shard 0.
    engine.publish(1, { role: 'starting' });
    const bytes = Buffer.concat([
      frame('SET', 'bar', '1'),
      frame('SET', 'foo', '1'),
      frame('INCR', 'bar'),
    ]);
    const { stop, text, consumed } = runBytes(harness, bytes);
    expect([stop, text, consumed]).to.deep.equal([
      Stop.Park,
      '+OK\r\n',
      frame('SET', 'bar', '1').length,
    ]);
    expect(engine.result.shard).to.equal(1);
    expect(run(harness, ['GET', 'bar'])).to.equal('$1\r\n1\r\n');
  });
});

describe('instances', () => {
  it('made late see what is there and change nothing', () => {
    const arena = createArena({ ...defaultOptions, threads: 2 });
    const first = attachEngine(arena, 0);
    for (let shard = 0; shard < 4; shard++) {
      first.createShard(shard);
      lead(first, shard);
    }
    const one: Harness = { arena, engine: first, connection: first.openConnection() };
    run(one, ['SET', 'a', '1']);
    const second = attachEngine(arena, 1);
    const two: Harness = { arena, engine: second, connection: second.openConnection() };
    expect(run(two, ['INCR', 'a'])).to.equal(':2\r\n');
    expect(run(one, ['GET', 'a'])).to.equal('$1\r\n2\r\n');
  });
});
