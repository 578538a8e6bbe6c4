import { Metadata, status } from '@grpc/grpc-js';
import type { StatsResponse, TopologyResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { call, failureOf, type Harness, startHarness, topologyOf } from './testing/harness.ts';
import { MemoryEngine } from './testing/memory-engine.ts';

describe('Cluster over gRPC', () => {
  let engine: MemoryEngine;
  let harness: Harness;

  beforeEach(async () => {
    engine = new MemoryEngine({ shards: 4 });
    harness = await startHarness(engine.asEngine());
  });

  afterEach(async () => {
    await harness[Symbol.asyncDispose]();
    expect(harness.faults).to.deep.equal([]);
  });

  it('tells the topology once there is one, then only what changes', async () => {
    const stream = harness.cluster.topology({});
    stream.on('error', () => undefined);
    const messages = stream[Symbol.asyncIterator]() as AsyncIterator<TopologyResponse>;
    const next = async (): Promise<TopologyResponse> =>
      (await messages.next()).value as TopologyResponse;
    const coming = next();
    harness.setTopology(topologyOf(4, ['test-0', 'test-1']));
    const first = await coming;
    expect(first).to.include({
      complete: true,
      clusterId: 'cluster-uid',
      shardsTotal: 4,
      version: 1n,
    });
    expect(first.shards.map(({ leader }) => leader)).to.deep.equal([
      'test-0',
      'test-1',
      'test-0',
      'test-1',
    ]);
    expect(first.shards[1]).to.include({
      firstSlot: 4096,
      lastSlot: 8191,
      epoch: 1n,
      generation: 1n,
    });
    expect(first.nodes.map(({ name, grpc }) => `${name} ${grpc?.port}`)).to.deep.equal([
      'test-0 7379',
      'test-1 7380',
    ]);
    expect(first.info).to.deep.include({
      cluster: 'test',
      node: 'test-0',
      retriesOnce: true,
      keyBytesMax: 65_536,
    });

    harness.setTopology({ ...topologyOf(4, ['test-0', 'test-1'], 2) }); // Nothing that a client sees.
    harness.setTopology(topologyOf(4, ['test-0', 'test-1', '', 'test-1'], 3));
    const second = await next();
    expect(second).to.include({ complete: false, version: 3n });
    expect(second.nodes).to.deep.equal([]);
    expect(second.shards.map(({ shard, leader }) => [shard, leader])).to.deep.equal([[2, '']]);

    const { nodes, ...rest } = topologyOf(4, ['test-0', 'test-1', '', 'test-1'], 4);
    harness.setTopology({ ...rest, nodes: nodes.filter(({ name }) => name !== 'test-1') });
    expect(await next()).to.deep.include({ removedNodes: ['test-1'], shards: [], nodes: [] });

    const { shards, ...others } = topologyOf(4, ['test-0', 'test-1', '', 'test-1'], 5);
    const lastFailover = {
      ...{ node: 'test-1', cause: 'LeaderLost', time: '2026-01-01T00:00:00.000Z' },
      ...{ detectionMilliseconds: 900.4, promotionMilliseconds: 40 },
    };
    harness.setTopology({
      ...others,
      shards: shards.map((one) => (one.shard === 3 ? { ...one, lastFailover } : one)),
    });
    const changed = (await next()).shards;
    expect(changed.map(({ shard }) => shard)).to.deep.equal([3]);
    expect(changed[0]?.lastFailover).to.deep.equal({
      ...{ node: 'test-1', cause: 'LeaderLost', timeMs: BigInt(Date.UTC(2026, 0, 1)) },
      ...{ detectionMs: 900n, promotionMs: 40n },
    });
    stream.cancel();
  });

  it('tells a late reader the last state, not every step', async () => {
    harness.setTopology(topologyOf(4, ['test-0']));
    const stream = harness.cluster.topology({});
    stream.on('error', () => undefined);
    const messages = stream[Symbol.asyncIterator]() as AsyncIterator<TopologyResponse>;
    await messages.next();
    for (let version = 2; version < 50; version++) {
      harness.setTopology(topologyOf(4, [version % 2 ? 'test-0' : 'test-1'], version));
    }
    harness.setTopology(topologyOf(4, ['test-2'], 50));
    let steps = 0;
    for (let last = 0n; last < 50n; steps++)
      last = ((await messages.next()).value as TopologyResponse).version;
    expect(steps).to.be.below(10);
    stream.cancel();
  });

  it('tells figures of the node and of the shards that it leads', async () => {
    engine.publish(1, {
      role: 'leader',
      epoch: 7,
      generation: 2,
      readUntilMs: Number.POSITIVE_INFINITY,
      writable: true,
    });
    const stats: StatsResponse = await call(harness.cluster, harness.cluster.stats, {});
    expect(stats).to.deep.include({
      node: 'test-0',
      incarnation: '00000000000000aa',
      uptimeMs: 1234n,
      connections: 3,
      expiredKeys: 7n,
      memory: { budget: 1000n, used: 300n, records: 200n, index: 60n, buffers: 40n },
    });
    expect(stats.shards).to.deep.equal([
      { shard: 1, leader: true, epoch: 7n, generation: 2n, sequence: 0n, keys: 0n, bytes: 0n },
    ]);
  });

  it('tells figures of the shards that it follows, too', async () => {
    const topology = topologyOf(4, ['test-1']);
    const shards = topology.shards.map((one) =>
      one.shard === 2 ? { ...one, followers: ['test-0'], epoch: 5, generation: 3 } : one,
    );
    harness.setTopology({ ...topology, shards });
    const stats: StatsResponse = await call(harness.cluster, harness.cluster.stats, {});
    expect(stats.shards.filter(({ leader }) => !leader)).to.deep.equal([
      { shard: 2, leader: false, epoch: 5n, generation: 3n, sequence: 0n, keys: 0n, bytes: 0n },
    ]);
  });

  it('says what is not there yet', async () => {
    const order = { shard: 0, from: 'test-0', to: 'test-1' };
    const failure = await failureOf(call(harness.cluster, harness.cluster.moveReplica, order));
    expect(failure.code).to.equal(status.UNIMPLEMENTED);
    expect(failure.message).to.contain('is not in this version');
  });

  it('hands leadership over: answers with the epoch that the topology shows', async () => {
    harness.setTopology(topologyOf(4, ['test-0']));
    const { cluster } = harness;
    const answer = call(cluster, cluster.transferLeadership, { shard: 1, to: 'test-1' });
    await harness.asked();
    const after = topologyOf(4, ['test-0', 'test-1'], 2);
    const shards = after.shards.map((one) => (one.shard === 1 ? { ...one, epoch: 9 } : one));
    harness.setTopology({ ...after, shards });
    expect(await answer).to.deep.equal({ epoch: 9n });
    expect(harness.handOvers).to.deep.equal([{ shard: 1, node: 'test-1', withinMs: 2_500 }]);
  });

  it('says why the leader stays', async () => {
    harness.setTopology(topologyOf(4, ['test-0']));
    const { cluster, refusal } = harness;
    const message = 'the API server does not answer';
    refusal.handOver = { reason: 'SHARD_MOVING', message };
    const order = { shard: 1, to: 'test-1' };
    expect(await failureOf(call(cluster, cluster.transferLeadership, order))).to.include({
      code: status.UNAVAILABLE,
      reason: 'SHARD_MOVING',
      message,
    });
  });

  it('says before the deadline that a hand-over takes too long', async () => {
    harness.setTopology(topologyOf(4, ['test-0']));
    const { cluster } = harness;
    const answer = new Promise<unknown>((resolve, reject) => {
      const deadline = Date.now() + 500;
      cluster.transferLeadership(
        { shard: 1, to: 'test-1' },
        new Metadata(),
        { deadline },
        (error, response) => (error ? reject(error) : resolve(response)),
      );
    });
    const failure = await failureOf(answer);
    expect(failure).to.include({ code: status.UNAVAILABLE, reason: 'SHARD_MOVING' });
    expect(failure.message).to.match(/is not led by test-1 after \d+ ms/);
    const [asked] = harness.handOvers;
    expect(asked?.withinMs).to.be.within(1, 250);
  });

  it('sends who wants a hand-over to the leader, and refuses nonsense', async () => {
    harness.setTopology(topologyOf(4, ['test-1']));
    const { cluster } = harness;
    const order = (shard: number) =>
      failureOf(call(cluster, cluster.transferLeadership, { shard, to: 'test-0' }));
    expect(await order(0)).to.include({ reason: 'NOT_LEADER' });
    expect(await order(9_999)).to.include({ code: status.INVALID_ARGUMENT, reason: 'INVALID' });
    expect(harness.handOvers).to.deep.equal([]);
  });
});
