import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { Topology, TopologyNode } from '../../agent/types.ts';
import { describeNode, epochOf, ledRanges, nodesWithSlots, slotsLed } from './cluster-layout.ts';

export function nodeOf(name: string, port: number): TopologyNode {
  const at = (offset: number) => ({ host: '127.0.0.1', port: port + offset });
  return {
    name,
    id: name.padEnd(40, '0'),
    addresses: { resp: at(0), grpc: at(1000), peer: at(2000) },
    incarnation: 'aa',
    zone: undefined,
    host: undefined,
  };
}

function topologyOf(leaders: readonly (string | undefined)[]): Topology {
  return {
    clusterId: 'id',
    version: 1,
    nodes: [nodeOf('a-0', 1), nodeOf('a-1', 2), { ...nodeOf('a-2', 3), addresses: undefined }],
    shards: leaders.map((leader, shard) => ({
      shard,
      firstSlot: shard * 4096,
      lastSlot: shard * 4096 + 4095,
      leader,
      followers: [],
      inSync: [],
      epoch: shard + 1,
      generation: 1,
    })),
  };
}

describe('layout of the cluster', () => {
  it('joins neighbouring slots of one leader', () => {
    const ranges = ledRanges(topologyOf(['a-0', 'a-0', 'a-1', 'a-0']));
    expect(
      ranges.map((range) => [range.firstSlot, range.lastSlot, range.leader.name]),
    ).to.deep.equal([
      [0, 8191, 'a-0'],
      [8192, 12_287, 'a-1'],
      [12_288, 16_383, 'a-0'],
    ]);
  });

  it('leaves out slots that nobody leads, and leaders whose address is unknown', () => {
    const topology = topologyOf(['a-0', undefined, 'a-2', 'a-0']);
    expect(ledRanges(topology).map((range) => range.firstSlot)).to.deep.equal([0, 12_288]);
    expect(slotsLed(topology)).to.equal(3 * 4096);
  });

  it('tells the slots of every node that can be reached', () => {
    const nodes = nodesWithSlots(topologyOf(['a-0', 'a-0', 'a-0', 'a-0']));
    expect(nodes.map(({ node, slots }) => [node.name, slots])).to.deep.equal([
      ['a-0', [[0, 16_383]]],
      ['a-1', []],
    ]);
  });

  it('describes a node as Redis does', () => {
    const topology = topologyOf(['a-0', 'a-1', 'a-0', 'a-0']);
    const [first] = nodesWithSlots(topology);
    const line = describeNode(nodeOf('a-0', 1), first?.slots ?? [], {
      self: true,
      epoch: epochOf(topology, 'a-0'),
    });
    expect(line).to.equal(
      `${'a-0'.padEnd(40, '0')} 127.0.0.1:1@2001 myself,master - 0 0 4 connected 0-4095 8192-16383`,
    );
  });
});
