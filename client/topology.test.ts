import type { ShardInfo, TopologyResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import {
  applyHint,
  applyTopology,
  inSyncAddresses,
  leaderAddress,
  type Topology,
} from './topology.ts';

const node = (name: string, port: number): TopologyResponse['nodes'][number] => ({
  name,
  id: '',
  incarnation: '',
  grpc: { host: '::1', port },
  resp: undefined,
  zone: '',
  host: '',
});

const shard = (number: number, leader: string, epoch = 1n, generation = 1n): ShardInfo => ({
  shard: number,
  firstSlot: 0,
  lastSlot: 0,
  leader,
  followers: [],
  inSync: [],
  epoch,
  generation,
  lastFailover: undefined,
});

const told = (more: Partial<TopologyResponse>): TopologyResponse => ({
  clusterId: 'uid',
  version: 1n,
  complete: true,
  nodes: [node('n-0', 1), node('n-10', 3), node('n-2', 2)],
  removedNodes: [],
  shards: [shard(0, 'n-0'), shard(1, 'n-2')],
  shardsTotal: 2,
  info: undefined,
  ...more,
});

describe('the topology', () => {
  const known = applyTopology(undefined, told({})) as Topology;

  it('takes a complete message, nodes by number', () => {
    expect(known.nodes.map(({ name }) => name)).to.deep.equal(['n-0', 'n-2', 'n-10']);
    expect(leaderAddress(known, 1)).to.equal('[::1]:2');
  });

  it('applies changes', () => {
    const after = applyTopology(
      known,
      told({ complete: false, nodes: [], removedNodes: ['n-10'], shards: [shard(1, '', 2n)] }),
    );
    expect(after?.nodes.map(({ name }) => name)).to.deep.equal(['n-0', 'n-2']);
    expect(leaderAddress(after as Topology, 1)).to.equal(undefined);
    expect(leaderAddress(after as Topology, 0)).to.equal('[::1]:1');
  });

  it('keeps what is newer, whoever tells', () => {
    const newer = applyTopology(
      known,
      told({ shards: [shard(0, 'n-2', 5n), shard(1, 'n-0', 1n, 2n)] }),
    ) as Topology;
    const stale = applyTopology(
      newer,
      told({ shards: [shard(0, 'n-0', 4n), shard(1, 'n-2', 9n, 1n)] }),
    ) as Topology;
    expect(stale.shards.map(({ leader }) => leader)).to.deep.equal(['n-2', 'n-0']);
  });

  it('names who leads, and who may lead next, but nobody who is out of sync', () => {
    const first = { ...shard(0, 'n-0'), followers: ['n-2', 'n-10'], inSync: ['n-0', 'n-2'] };
    const topology = applyTopology(undefined, told({ shards: [first], shardsTotal: 1 }));
    expect(inSyncAddresses(topology as Topology)).to.deep.equal(['[::1]:1', '[::1]:2']);
  });

  it('begins anew with another cluster', () => {
    const other = applyTopology(
      known,
      told({ clusterId: 'other', shards: [shard(0, 'n-2', 0n)] }),
    ) as Topology;
    expect(other.shards.map(({ leader }) => leader)).to.deep.equal(['n-2', undefined]);
    expect(applyTopology(known, told({ clusterId: 'third', complete: false }))).to.equal(undefined);
    expect(applyTopology(undefined, told({ complete: false }))).to.equal(undefined);
  });

  it('takes a hint until it is told more', () => {
    const grpc = { host: 'new', port: 9 };
    const hinted = applyHint(known, { shard: 0, node: 'n-5', grpc });
    expect(leaderAddress(hinted, 0)).to.equal('new:9');
    expect(leaderAddress(applyTopology(hinted, told({})) as Topology, 0)).to.equal('[::1]:1');
    expect(applyHint(known, { shard: 0, node: 'n-5', grpc: undefined })).to.equal(known);
    expect(applyHint(known, { shard: 7, node: 'n-5', grpc })).to.equal(known);
  });
});
