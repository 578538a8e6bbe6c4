import type { NodeLeaseContent, ShardLeaseContent } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { readinessOf } from './readiness.ts';
import { deriveTopology, nodeId } from './topology.ts';

const member = (node: string, incarnation = '0000000000000001') => ({ node, incarnation });

function shard(leader: string | undefined, inSync: readonly string[] = []): ShardLeaseContent {
  const members = (inSync.length > 0 ? inSync : leader === undefined ? [] : [leader]).map((node) =>
    member(node),
  );
  return {
    assignment: ['demo-0'],
    inSync: members,
    leader: leader === undefined ? undefined : member(leader),
    epoch: 4,
    generation: 2,
    revision: 9,
    lastFailover: undefined,
  };
}

function node(port: number | undefined): NodeLeaseContent {
  const list = port === undefined ? undefined : [{ host: 'h', port }];
  return {
    member: list && member('any'),
    addresses: list && { resp: list, grpc: list, peer: list },
    podUid: undefined,
    version: undefined,
    zone: 'a',
    host: 'worker',
    renewTimeMs: undefined,
    revision: 1,
  };
}

const derive = (
  shards: readonly (ShardLeaseContent | undefined)[],
  nodes: Readonly<Record<string, NodeLeaseContent>>,
) => ({
  version: 1,
  ...deriveTopology({
    clusterId: 'cluster',
    shards: shards.length,
    shardLeases: new Map(
      shards.flatMap((content, index) => (content === undefined ? [] : [[index, content]])),
    ),
    nodeLeases: new Map(Object.entries(nodes)),
  }),
});

describe('topology', () => {
  it('covers all slots, with and without Leases', () => {
    const { shards } = derive([shard('demo-0'), undefined, shard(undefined)], {});
    expect(shards.map(({ firstSlot, lastSlot }) => [firstSlot, lastSlot])).to.deep.equal([
      [0, 5461],
      [5462, 10922],
      [10923, 16383],
    ]);
    expect(shards.map(({ leader, epoch }) => [leader, epoch])).to.deep.equal([
      ['demo-0', 4],
      [undefined, 0],
      [undefined, 4],
    ]);
  });

  it('lists nodes by ordinal, those too that only a shard’s Lease names', () => {
    const { nodes } = derive([shard('demo-10')], { 'demo-2': node(1), 'demo-1': node(undefined) });
    expect(nodes.map(({ name }) => name)).to.deep.equal(['demo-1', 'demo-2', 'demo-10']);
    expect(nodes.map(({ addresses }) => addresses?.resp.port)).to.deep.equal([
      undefined,
      1,
      undefined,
    ]);
  });

  it('names followers once, without the leader', () => {
    const [first] = derive([shard('demo-1', ['demo-1', 'demo-0', 'demo-2'])], {}).shards;
    expect(first?.followers).to.deep.equal(['demo-0', 'demo-2']);
  });

  it('tells how a shard last changed its leader', () => {
    const lastFailover = {
      ...{ node: 'demo-2', cause: 'LeaderLost', time: '2026-01-01T00:00:00.000Z' },
      ...{ detectionMilliseconds: 900, promotionMilliseconds: 40 },
    };
    const { shards } = derive([shard('demo-0'), { ...shard('demo-0'), lastFailover }], {});
    expect(shards.map((one) => one.lastFailover)).to.deep.equal([undefined, lastFailover]);
  });

  it('gives a node the same ID always, and another in another cluster', () => {
    expect(nodeId('cluster', 'demo-0')).to.match(/^[0-9a-f]{40}$/);
    expect(nodeId('cluster', 'demo-0')).to.equal(nodeId('cluster', 'demo-0'));
    expect(nodeId('cluster', 'demo-0')).to.not.equal(nodeId('other', 'demo-0'));
  });
});

describe('readiness', () => {
  const ready = {
    stopping: false,
    wasReady: false,
    nodeLease: { kind: 'held' },
    watchReady: true,
    self: member('demo-0'),
    ended: new Set<string>(),
    assigned: new Map([[0, shard('demo-0')]]),
  } as const;

  it('is there once the node is in sync for all that it was assigned', () => {
    expect(readinessOf(ready)).to.deep.equal({ ready: true, reasons: [] });
    const behind = new Map([[7, shard('demo-1')]]);
    expect(readinessOf({ ...ready, assigned: behind }).reasons).to.deep.equal([
      'not in sync for 1 shards (7)',
    ]);
  });

  it('asks nothing of shards that were taken from the node since', () => {
    const taken = new Map([[7, { ...shard('demo-1'), assignment: ['demo-1', 'demo-2'] }]]);
    expect(readinessOf({ ...ready, assigned: taken }).ready).to.equal(true);
  });

  it('asks nothing of shards without a leader, or whose leader has certainly ended', () => {
    expect(readinessOf({ ...ready, assigned: new Map([[0, shard(undefined)]]) }).ready).to.equal(
      true,
    );
    expect(readinessOf({ ...ready, assigned: new Map([[0, undefined]]) }).ready).to.equal(true);
    const assigned = new Map([
      [0, { ...shard('demo-0'), leader: member('demo-0', 'f'.repeat(16)) }],
    ]);
    const ended = new Set([`demo-0/${'f'.repeat(16)}`]);
    expect(readinessOf({ ...ready, assigned, ended }).ready).to.equal(true);
  });

  it('says what it waits for', () => {
    const waiting = { kind: 'waiting', reason: 'no Lease' } as const;
    expect(readinessOf({ ...ready, nodeLease: waiting }).reasons).to.deep.equal(['no Lease']);
    expect(readinessOf({ ...ready, watchReady: false }).reasons).to.deep.equal([
      'the shard Leases were not listed yet',
    ]);
    const superseded = { kind: 'superseded', by: 'demo-0/ff' } as const;
    expect(readinessOf({ ...ready, nodeLease: superseded }).reasons[0]).to.contain('demo-0/ff');
  });

  it('stays until shutdown, whatever happens to the Leases', () => {
    const was = { ...ready, wasReady: true, assigned: new Map([[0, shard('demo-1')]]) };
    expect(readinessOf(was).ready).to.equal(true);
    expect(readinessOf({ ...was, stopping: true })).to.deep.equal({
      ready: false,
      reasons: ['shutting down'],
    });
  });
});
