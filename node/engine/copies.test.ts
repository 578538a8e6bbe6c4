import { expect } from 'chai';
import { describe, it } from 'mocha';
import { EngineError } from './errors.ts';
import {
  contents,
  frame,
  type Harness,
  lead,
  makeHarness,
  run,
  runBytes,
} from './testing/harness.ts';
import { ParkReason, type SealedBatch, Stop } from './types.ts';

function leader(): Harness {
  const harness = makeHarness({ shards: 1 });
  expect(harness.engine.setReplicated(0, true)).to.equal(true);
  return harness;
}

function follower(): Harness {
  const harness = makeHarness({ shards: 1 });
  harness.engine.publish(0, { role: 'elsewhere', replicaReadable: true });
  harness.engine.setReadOnly(harness.connection, true);
  return harness;
}

function sealed({ engine }: Harness): SealedBatch {
  const batch = engine.seal(0);
  if (batch === undefined || batch === 'busy') throw new Error(`nothing sealed: ${batch}`);
  return batch;
}

function commit(harness: Harness): Buffer {
  const { content } = sealed(harness);
  expect(harness.engine.commit(0)).to.equal(true);
  harness.engine.settleConnection(harness.connection);
  return content;
}

describe('a copy that may be read where another node leads', () => {
  it('tells of which generation it is, and how fresh', () => {
    const { engine } = makeHarness({ shards: 1 });
    const shown = {
      role: 'elsewhere',
      replicaReadable: true,
      generation: 3,
      freshAsOfMs: 1_234.5,
    } as const;
    engine.publish(0, shown);
    expect(engine.serving(0)).to.deep.equal(shown);
    engine.publish(0, { role: 'elsewhere' });
    expect(engine.serving(0)).to.deep.equal({ role: 'elsewhere' });
  });
});

describe('copies of a shard', () => {
  it('follow what is gathered, sealed and committed', () => {
    const one = leader();
    const two = follower();
    run(one, ['SET', 'a', '1']);
    run(one, ['SET', 'b', 'x'.repeat(100_000)]);
    run(one, ['INCR', 'a']);
    const { gathered } = one.engine;
    expect([gathered.count, gathered.shards[0], gathered.batches[0]]).to.deep.equal([1, 0, 0]);
    const batch = sealed(one);
    expect(batch).to.include({ batch: 0, writers: 1n, commands: 3 });
    expect(one.engine.commit(0)).to.equal(true);
    expect(two.engine.apply(0, [batch.content])).to.equal(true);
    expect(run(two, ['GET', 'a'])).to.equal('$1\r\n2\r\n');
    expect(run(two, ['GET', 'b'])).to.equal(`$100000\r\n${'x'.repeat(100_000)}\r\n`);
    expect(two.engine.shardStatistics(0)).to.deep.equal(one.engine.shardStatistics(0));
    run(one, ['DEL', 'a']);
    run(one, ['EXPIRE', 'b', '100']);
    expect(two.engine.apply(0, [commit(one)])).to.equal(true);
    expect(run(two, ['EXISTS', 'a'])).to.equal(':0\r\n');
    expect(run(two, ['TTL', 'b'])).to.equal(':100\r\n');
    expect(two.engine.shardStatistics(0)).to.deep.equal(one.engine.shardStatistics(0));
  });

  it('are brought up by cuts of a snapshot', () => {
    const one = leader();
    const two = follower();
    for (let index = 0; index < 3000; index++) run(one, ['SET', `k${index}`, `v${index}`]);
    for (let index = 0; index < 5; index++) run(one, ['SET', `l${index}`, 'y'.repeat(90_000)]);
    expect(one.engine.takeCut(0, 0n, 10_000).cursor).to.equal(0n);
    commit(one);
    run(one, ['SET', 'k1', 'uncommitted']);
    let cursor = 0n;
    let cuts = 0;
    do {
      const next = one.engine.takeCut(0, cursor, 10_000);
      expect(two.engine.installCut(0, next.cut)).to.equal('installed');
      cursor = next.cursor;
      cuts++;
    } while (cursor !== 0n);
    expect(cuts).to.be.greaterThan(5);
    expect(run(two, ['GET', 'k1'])).to.equal('$2\r\nv1\r\n');
    expect(run(two, ['STRLEN', 'l4'])).to.equal(':90000\r\n');
    expect(two.engine.apply(0, [commit(one)])).to.equal(true);
    expect(run(two, ['GET', 'k1'])).to.equal('$11\r\nuncommitted\r\n');
    expect(two.engine.shardStatistics(0)).to.deep.equal(one.engine.shardStatistics(0));
  });

  it('are not changed by damaged contents', () => {
    const one = leader();
    const two = follower();
    run(one, ['MSET', '{t}a', '1', '{t}b', 'long'.repeat(100)]);
    const content = commit(one);
    for (let length = 0; length < content.length; length++) {
      expect(() => two.engine.apply(0, [content.subarray(0, length)]))
        .to.throw(EngineError)
        .with.property('code', 'MALFORMED');
    }
    expect(two.engine.shardStatistics(0).keys).to.equal(0);
    expect(two.engine.apply(0, [content])).to.equal(true);
  });

  it('refuse at once what the leader says, and reads where they may not be read', () => {
    const one = leader();
    const two = follower();
    const serving = {
      role: 'leader',
      epoch: 1,
      generation: 1,
      readUntilMs: Number.POSITIVE_INFINITY,
      writable: true,
    } as const;
    run(one, ['SET', 'a', '1']);
    one.engine.publish(0, { ...serving, refuseMemory: true });
    expect(run(one, ['SET', 'b', '1'])).to.match(/^-OOM/);
    expect(run(one, ['MSET', '{b}1', '1', '{b}2', '2'])).to.match(/^-OOM/);
    expect(run(one, ['DEL', 'a'])).to.equal(':1\r\n');
    one.engine.publish(0, { ...serving, tooFewReplicas: true });
    const refused = '-NOREPLICAS Not enough good replicas to write.\r\n';
    expect(run(one, ['SET', 'b', '1'])).to.equal(refused);
    expect(run(one, ['DEL', 'b'])).to.equal(refused);
    const del = { kind: 'delete', key: Buffer.from('b') } as const;
    expect(one.engine.batch([del], 1, 1)[0]?.status).to.equal('not-enough-in-sync');
    expect(run(one, ['GET', 'b'])).to.equal('$-1\r\n');
    const get = { kind: 'get', key: Buffer.from('a') } as const;
    expect(two.engine.batch([get], 1, 1)[0]?.status).to.equal('not-leader');
    expect(two.engine.batch([{ ...get, anyReplica: true }], 1, 1)[0]?.status).to.equal('not-found');
    two.engine.publish(0, { role: 'elsewhere' });
    expect(run(two, ['GET', 'a'])).to.match(/^-CLUSTERDOWN/);
    expect(two.engine.batch([{ ...get, anyReplica: true }], 1, 1)[0]?.status).to.equal(
      'not-leader',
    );
  });

  it('take back what a lost leadership had gathered', () => {
    const one = leader();
    run(one, ['SET', 'a', '1']);
    commit(one);
    run(one, ['SET', 'a', '2']);
    lead(one.engine, 0, 2);
    const { stop } = runBytes(one, frame('SET', 'a', '3'));
    expect([stop, one.engine.result.reason]).to.deep.equal([Stop.Park, ParkReason.NotServing]);
    expect(one.engine.seal(0)).to.equal(undefined);
    expect(one.engine.setReplicated(0, false)).to.equal(false);
    expect(one.engine.rollback(0)).to.equal(true);
    one.engine.settleConnection(one.connection);
    expect(run(one, ['GET', 'a'])).to.equal('$1\r\n1\r\n');
    run(one, ['SET', 'a', '4']);
    expect([one.engine.gathered.count, one.engine.gathered.batches[0]]).to.deep.equal([1, 2]);
    one.engine.publish(0, { role: 'elsewhere' });
    expect(one.engine.dropShard(0, 0)).to.equal(false);
    expect(() => one.engine.createShard(0)).to.throw(EngineError, 'is being dropped');
    while (!one.engine.dropShard(0, 100));
    one.engine.createShard(0);
    expect(one.engine.shardStatistics(0)).to.deep.equal({
      keys: 0,
      bytes: 0,
      expiring: 0,
      sequence: 0n,
    });
  });
});

describe('a gathered batch', function () {
  this.timeout(20_000);

  it('is what calls depend on that only looked into it', () => {
    const one = leader();
    const { engine } = one;
    run(one, ['SET', 'a', '1']);
    const other = { ...one, connection: engine.openConnection() };
    expect(run(other, ['SETNX', 'a', '2'])).to.equal(':0\r\n');
    const { count, shards, batches } = engine.gathered;
    expect([count, shards[0], batches[0]]).to.deep.equal([1, 0, 0]);
    const get = { kind: 'get', key: Buffer.from('a') } as const;
    expect(engine.batch([get], 1, 1)[0]?.status).to.equal('not-found');
    expect(engine.gathered.count).to.equal(0);
    // Behind a write of the same call it is seen, and waited for.
    const add = { kind: 'increment', key: Buffer.from('a'), by: 1n } as const;
    const results = engine.batch([add, get], 1, 1);
    expect(results.map(({ status }) => status)).to.deep.equal(['ok', 'ok']);
    expect(Buffer.from(results[1]?.value ?? []).toString()).to.equal('2');
    expect(engine.gathered.count).to.equal(1);
  });

  it('is looked into by a connection while nothing may be written', () => {
    const one = leader();
    const serving = { role: 'leader', epoch: 1, generation: 1, readUntilMs: 500 } as const;
    run(one, ['SET', 'a', '1']);
    one.engine.publish(0, { ...serving, writable: false });
    const both = Buffer.concat([frame('GET', 'a'), frame('SET', 'a', '2')]);
    const { text, stop } = runBytes(one, both);
    expect([text, stop]).to.deep.equal(['$1\r\n1\r\n', Stop.Park]);
    expect(one.engine.result.reason).to.equal(ParkReason.NotServing);
    one.engine.publish(0, { ...serving, writable: true, tooFewReplicas: true });
    expect(runBytes(one, both).text).to.match(/^\$1\r\n1\r\n-NOREPLICAS /);
    const operations = [
      { kind: 'increment', key: Buffer.from('a'), by: 1n },
      { kind: 'get', key: Buffer.from('a') },
    ] as const;
    const statuses = one.engine.batch(operations, 1, 1).map(({ status }) => status);
    expect(statuses).to.deep.equal(['not-enough-in-sync', 'not-found']);
    expect(sealed(one).commands).to.equal(1);
  });

  it('that is full stops a pipeline between two commands, until it is resolved', () => {
    const one = leader();
    const { engine, connection } = one;
    const bytes = Buffer.concat(
      Array.from({ length: 6000 }, (_, index) => frame('SET', `k${index % 5000}`, `${index}`)),
    );
    const base = engine.allocateBuffer(bytes.length);
    engine.view(base, bytes.length).set(bytes);
    let start = 0;
    let commands = 0;
    let batches = 0;
    const two = follower();
    for (;;) {
      const stop = engine.execute(connection, base, start, bytes.length, 0, 1_000_000, 1);
      start = engine.result.consumed;
      commands += engine.result.outputEnd / '+OK\r\n'.length;
      if (stop === Stop.OutputFull) continue;
      if (stop === Stop.Park) expect(engine.result.reason).to.equal(ParkReason.Frozen);
      const batch = sealed(one);
      expect(batch.commands).to.be.lessThan(9000);
      engine.commit(0);
      expect(two.engine.apply(0, [batch.content])).to.equal(true);
      batches++;
      if (stop === Stop.Done) break;
    }
    engine.freeBuffer(base);
    expect([commands, batches]).to.deep.equal([6000, 2]);
    engine.settleConnection(connection);
    expect(two.engine.shardStatistics(0)).to.deep.equal(engine.shardStatistics(0));
    expect(run(two, ['GET', 'k999'])).to.equal('$4\r\n5999\r\n');
  });

  it('of long values is full at 8 MiB', () => {
    const one = leader();
    const value = 'z'.repeat(3 << 20);
    for (let index = 0; index < 3; index++) {
      expect(run(one, ['SET', `k${index}`, value])).to.equal('+OK\r\n');
    }
    expect(runBytes(one, frame('SET', 'k3', value)).stop).to.equal(Stop.Park);
    expect(sealed(one).content.length).to.be.greaterThan(9 << 20);
  });

  it('takes what the sweep of a leader removes; others remove nothing', () => {
    const one = leader();
    const two = follower();
    for (let index = 0; index < 100; index++) run(one, ['SET', `k${index}`, 'v', 'PX', '100']);
    run(one, ['SET', 'stays', 'v']);
    two.engine.apply(0, [commit(one)]);
    expect(two.engine.shardStatistics(0).expiring).to.equal(100);
    const later = 2_000_000;
    expect(run(two, ['GET', 'k1'], later)).to.equal('$-1\r\n');
    expect(two.engine.sweep([0], 1000, later)).to.equal(0);
    // A batch that is out is left alone.
    run(one, ['SET', 'stays', 'w']);
    const out = sealed(one);
    expect(one.engine.sweep([0], 1000, later)).to.equal(0);
    one.engine.commit(0);
    two.engine.apply(0, [out.content]);
    let removed = 0;
    for (let turn = 0; turn < 10; turn++) removed += one.engine.sweep([0], 1000, later);
    expect(removed).to.equal(100);
    expect(one.engine.shardStatistics(0).expiring).to.equal(0);
    two.engine.apply(0, [commit(one)]);
    expect(two.engine.shardStatistics(0)).to.deep.equal(one.engine.shardStatistics(0));
    expect(two.engine.shardStatistics(0).keys).to.equal(1);
  });

  it('keeps the sequence of removals, and a rollback takes it back', () => {
    const one = leader();
    const two = follower();
    const absent = (harness: Harness): bigint | undefined =>
      harness.engine.batch([{ kind: 'get', key: Buffer.from('a'), anyReplica: true }], 1, 1)[0]
        ?.version;
    run(one, ['SET', 'a', '1']);
    run(one, ['DEL', 'a']);
    two.engine.apply(0, [commit(one)]);
    expect([absent(one), absent(two)]).to.deep.equal([2n, 2n]);
    run(one, ['SET', 'b', '1']);
    run(one, ['DEL', 'b']);
    expect(one.engine.rollback(0)).to.equal(true);
    // Still the version that was read: nothing near was removed.
    const set = {
      kind: 'set',
      key: Buffer.from('a'),
      value: Buffer.from('2'),
      ifVersion: 2n,
    } as const;
    expect(one.engine.batch([set], 1, 1)[0]).to.include({ status: 'ok', version: 3n });
  });

  it('holds values of 64 MiB, and so does a cut', () => {
    const options = {
      shards: 1,
      valueBytesMax: 64 << 20,
      reservedBytes: 384 << 20,
      budgetBytes: 256 << 20,
    };
    const [one, two, three] = [makeHarness(options), makeHarness(options), makeHarness(options)];
    one.engine.setReplicated(0, true);
    for (const { engine } of [two, three]) engine.publish(0, { role: 'elsewhere' });
    const value = Buffer.alloc(64 << 20, 'abcdefg');
    const set = { kind: 'set', key: Buffer.from('a'), value } as const;
    expect(one.engine.batch([set], 1, 1)[0]?.status).to.equal('ok');
    const { content } = sealed(one);
    one.engine.commit(0);
    expect(two.engine.costOf(content)).to.be.greaterThan(content.length);
    expect(two.engine.apply(0, [content])).to.equal(true);
    const { cut, cursor } = one.engine.takeCut(0, 0n, 1000);
    expect(cursor).to.equal(0n);
    expect(three.engine.installCut(0, cut)).to.equal('installed');
    for (const harness of [two, three]) {
      lead(harness.engine, 0, 2);
      const [found] = harness.engine.batch([{ kind: 'get', key: Buffer.from('a') }], 1, 1);
      expect(found?.version).to.equal(1n);
      expect(value.equals(found?.value ?? Buffer.alloc(0))).to.equal(true);
    }
    // A copy whose budget is reached says so, and has nothing of the cut.
    const small = makeHarness({ ...options, budgetBytes: 32 << 20 });
    small.engine.publish(0, { role: 'elsewhere' });
    expect(small.engine.installCut(0, cut)).to.equal('out-of-memory');
    expect(small.engine.shardStatistics(0).keys).to.equal(0);
    // An entry was acknowledged: it passes the budget.
    expect(small.engine.apply(0, [content])).to.equal(true);
    expect(small.engine.shardStatistics(0).keys).to.equal(1);
  });
});

describe('a cut of a snapshot', function () {
  this.timeout(20_000);

  it('holds keys of every length, whatever fits at once', () => {
    const one = leader();
    const two = follower();
    for (let index = 0; index < 40; index++) {
      run(one, ['SET', `${index}:${'k'.repeat(index * 1500)}`, 'v'.repeat(index * 700)]);
    }
    commit(one);
    let cursor = 0n;
    do {
      const next = one.engine.takeCut(0, cursor, 1_000_000);
      expect(two.engine.installCut(0, next.cut)).to.equal('installed');
      cursor = next.cursor;
    } while (cursor !== 0n);
    expect(two.engine.shardStatistics(0)).to.deep.equal(one.engine.shardStatistics(0));
    // As SCAN tells them.
    lead(two.engine, 0, 2);
    expect(contents(two)).to.deep.equal(contents(one));
  });

  it('costs no more than its bound', () => {
    for (const [count, bytes] of [
      [1, 10],
      [3000, 16],
      [1500, 300],
      [20, 70_000],
    ] as const) {
      const one = leader();
      const two = follower();
      for (let index = 0; index < count; index++) run(one, ['SET', `k${index}`, 'v'.repeat(bytes)]);
      const content = commit(one);
      const sum = (): number => {
        const { records, index } = two.engine.memoryStatistics();
        return records + index;
      };
      const before = sum();
      const bound = two.engine.costOf(content);
      two.engine.apply(0, [content]);
      expect(sum() - before).to.be.at.most(bound);
    }
  });
});
