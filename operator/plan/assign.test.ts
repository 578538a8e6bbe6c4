import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { type AssignmentInput, type PlanNode, planAssignment, unevenness } from './assign.ts';

function nodesOf(count: number, place: (ordinal: number) => Partial<PlanNode> = () => ({})) {
  return Array.from({ length: count }, (_, ordinal) => ({
    name: `demo-${ordinal}`,
    ...place(ordinal),
  }));
}

const inputs = fc
  .record({
    nodes: fc.integer({ min: 1, max: 12 }),
    shards: fc.integer({ min: 1, max: 80 }),
    factor: fc.integer({ min: 1, max: 5 }),
    zones: fc.integer({ min: 1, max: 4 }),
    hosts: fc.integer({ min: 1, max: 12 }),
  })
  .map(({ nodes, shards, factor, zones, hosts }) => ({
    shards: Math.max(shards, nodes),
    replicationFactor: Math.min(factor, nodes),
    nodes: nodesOf(nodes, (ordinal) => ({
      host: `h${ordinal % hosts}`,
      zone: `z${(ordinal % hosts) % zones}`,
    })),
    current: new Map<number, readonly string[]>(),
  }));

describe('the assignment of shards to nodes', () => {
  it('gives one copy out in contiguous runs', () => {
    const plan = planAssignment({
      shards: 8,
      replicationFactor: 1,
      nodes: nodesOf(3),
      current: new Map(),
    });
    expect(plan.map(([leader]) => leader?.slice(-1)).join('')).to.equal('00011122');
  });

  it('puts copies on other hosts, then in other zones', () => {
    const nodes = nodesOf(6, (ordinal) => ({ host: `h${ordinal % 3}`, zone: `z${ordinal % 3}` }));
    for (const replicas of planAssignment({
      shards: 12,
      replicationFactor: 3,
      nodes,
      current: new Map(),
    })) {
      const hosts = replicas.map((name) => nodes.find((node) => node.name === name)?.host);
      expect(new Set(hosts).size).to.equal(3);
    }
  });

  it('refuses more copies than nodes', () => {
    const few: AssignmentInput = {
      shards: 1,
      replicationFactor: 2,
      nodes: nodesOf(1),
      current: new Map(),
    };
    expect(() => planAssignment(few)).to.throw(RangeError, '2 copies');
  });

  it('has every copy on a node of its own, leaders even, hosts distinct while they last', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const plan = planAssignment(input);
        expect(plan).to.have.length(input.shards);
        const hostsThere = new Set(input.nodes.map(({ host }) => host)).size;
        for (const replicas of plan) {
          expect(new Set(replicas).size).to.equal(input.replicationFactor);
          const hosts = replicas.map(
            (name) => input.nodes.find((node) => node.name === name)?.host,
          );
          expect(new Set(hosts).size).to.equal(Math.min(input.replicationFactor, hostsThere));
        }
        expect(unevenness(plan, input.nodes)).to.be.at.most(1);
      }),
    );
  });

  it('moves nothing that is assigned already, and is the same the second time', () => {
    fc.assert(
      fc.property(inputs, fc.nat(), (input, seed) => {
        const whole = planAssignment(input);
        const current = new Map(
          whole.flatMap((replicas, shard) =>
            (shard * 7 + seed) % 3 === 0 ? [] : [[shard, replicas] as const],
          ),
        );
        const again = planAssignment({ ...input, current });
        for (const [shard, replicas] of current) expect(again[shard]).to.deep.equal(replicas);
        const all = new Map(whole.map((replicas, shard) => [shard, replicas] as const));
        expect(planAssignment({ ...input, current: all })).to.deep.equal(whole);
      }),
    );
  });
});
