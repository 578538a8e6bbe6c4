import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import {
  type AssignmentInput,
  type Current,
  type PlanNode,
  planAssignment,
  unevenness,
} from './assign.ts';

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
    current: new Map<number, Current>(),
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
            (shard * 7 + seed) % 3 === 0 ? [] : [[shard, { assignment: replicas }] as const],
          ),
        );
        const again = planAssignment({ ...input, current });
        for (const [shard, { assignment }] of current) {
          expect(again[shard]).to.deep.equal(assignment);
        }
        const all = new Map(whole.map((assignment, shard) => [shard, { assignment }] as const));
        expect(planAssignment({ ...input, current: all })).to.deep.equal(whole);
      }),
    );
  });

  it('adds copies behind those that are there', () => {
    const current = new Map<number, Current>([[0, { assignment: ['demo-2'], leader: 'demo-2' }]]);
    const plan = planAssignment({ shards: 3, replicationFactor: 3, nodes: nodesOf(3), current });
    expect(plan[0]?.[0]).to.equal('demo-2');
    expect(plan.every((replicas) => replicas.length === 3)).to.equal(true);
  });

  it('takes copies that are not in sync first, then followers, never leader and first before them', () => {
    const at = (assignment: string[], leader: string, inSync: string[]) => {
      const current = new Map([[0, { assignment, leader, inSync: new Set(inSync) }]]);
      return (replicationFactor: number) =>
        planAssignment({ shards: 1, replicationFactor, nodes: nodesOf(3), current })[0];
    };
    const [a, b, c] = ['demo-0', 'demo-1', 'demo-2'];
    expect(at([a, b, c], a, [a, c])(2)).to.deep.equal([a, c]);
    expect(at([a, b, c], c, [a, b, c])(2)).to.deep.equal([a, c]);
    expect(at([a, b, c], c, [a, b, c])(1)).to.deep.equal([a]);
    expect(at([a, b, c], c, [b, c])(1)).to.deep.equal([c]);
  });

  it('takes the copy that shares a host before one that has its own', () => {
    const nodes = nodesOf(3, (ordinal) => ({ host: ordinal === 1 ? 'h0' : `h${ordinal}` }));
    const assignment = ['demo-0', 'demo-1', 'demo-2'];
    const current = new Map([[0, { assignment, leader: 'demo-0', inSync: new Set(assignment) }]]);
    const plan = planAssignment({ shards: 1, replicationFactor: 2, nodes, current });
    expect(plan).to.deep.equal([['demo-0', 'demo-2']]);
  });

  it('leaves out nodes that there are not; where the first is one, the leader comes first', () => {
    const current = new Map([
      [
        0,
        {
          assignment: ['other-7', 'demo-1', 'demo-2'],
          leader: 'demo-2',
          inSync: new Set<string>(),
        },
      ],
    ]);
    const plan = planAssignment({ shards: 1, replicationFactor: 2, nodes: nodesOf(3), current });
    expect(plan).to.deep.equal([['demo-2', 'demo-1']]);
  });
});
