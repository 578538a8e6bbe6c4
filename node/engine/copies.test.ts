import { expect } from 'chai';
import { describe, it } from 'mocha';
import { EngineError } from './errors.ts';
import { frame, type Harness, lead, makeHarness, run, runBytes } from './testing/harness.ts';
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
    expect([...one.engine.gathered.batches]).to.deep.equal([2]);
    one.engine.publish(0, { role: 'elsewhere' });
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
