import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import {
  ANNOTATION,
  formatNodeLease,
  formatShardLease,
  type LeaseFields,
  type LeaseWrite,
  leaseLabels,
  type Member,
  microTime,
  type NodeLeaseContent,
  nodeLeaseName,
  nodeOfLeaseName,
  parseNodeLease,
  parseShardLease,
  type ShardLeaseContent,
  shardLeaseName,
  shardOfLeaseName,
} from './leases.ts';

const members: fc.Arbitrary<Member> = fc.record({
  node: fc.stringMatching(/^[a-z][a-z0-9]{0,8}(-[0-9]{1,3})?$/),
  incarnation: fc.stringMatching(/^[0-9a-f]{16}$/),
});
const addresses = fc.array(
  fc.record({
    host: fc.constantFrom('10.0.0.1', 'fd00::1', 'demo-0.demo-nodes.default.svc', 'localhost'),
    port: fc.integer({ min: 1, max: 65_535 }),
  }),
  { minLength: 1, maxLength: 6 },
);
const texts = fc.option(fc.string({ minLength: 1 }), { nil: undefined });
const revisions = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const nonsense = fc.oneof(
  fc.string(),
  fc.constantFrom('', '{', '[]', 'null', '-1', '1e3', 'demo-0', 'demo-0/', ',', '__proto__', '01'),
);

const shardContents: fc.Arbitrary<ShardLeaseContent> = fc
  .record({
    assignment: fc.uniqueArray(
      members.map((member) => member.node),
      { minLength: 1, maxLength: 6 },
    ),
    inSync: fc.uniqueArray(members, {
      maxLength: 6,
      selector: (member) => `${member.node}/${member.incarnation}`,
    }),
    led: fc.boolean(),
    epoch: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    generation: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    revision: revisions,
    lastFailover: fc.option(
      fc.record({
        node: fc.string(),
        cause: fc.constantFrom('Unreachable', 'TotalLoss'),
        time: fc.integer({ min: 0, max: 4e12 }).map(microTime),
        detectionMilliseconds: fc.nat(),
        promotionMilliseconds: fc.nat(),
      }),
      { nil: undefined },
    ),
  })
  .map(({ led, ...content }) => ({ ...content, leader: led ? content.inSync[0] : undefined }));

const nodeContents: fc.Arbitrary<NodeLeaseContent> = fc.record({
  member: fc.option(members, { nil: undefined }),
  addresses: fc.record({ resp: addresses, grpc: addresses, peer: addresses }),
  podUid: texts,
  version: texts,
  zone: texts,
  host: texts,
  renewTimeMs: fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined }),
  revision: revisions,
});

describe('contents of Leases', () => {
  it('come back from a shard Lease as they were written', () => {
    fc.assert(
      fc.property(shardContents, (content) => {
        const read = parseShardLease(fields(formatShardLease(content, 0)));
        expect(read).to.deep.equal({ ok: true, content });
      }),
    );
  });

  it('come back from a node Lease as they were written', () => {
    fc.assert(
      fc.property(nodeContents, (content) => {
        const read = parseNodeLease(fields(formatNodeLease(content)));
        expect(read).to.deep.equal({ ok: true, content });
      }),
    );
  });

  it('give an error that names the annotation for any nonsense, and never throw', () => {
    const annotations = [...Object.values(ANNOTATION)];
    fc.assert(
      fc.property(
        shardContents,
        nodeContents,
        fc.constantFrom(...annotations),
        nonsense,
        (shard, node, annotation, text) => {
          for (const [write, parse] of [
            [formatShardLease(shard, 0), parseShardLease],
            [formatNodeLease(node), parseNodeLease],
          ] as const) {
            const lease = fields(write);
            const broken = { ...lease, annotations: { ...lease.annotations, [annotation]: text } };
            const read = parse(broken);
            if (!read.ok) expect(read.error.message).to.match(/ is .*: it must be /s);
          }
        },
      ),
    );
  });

  it('take nothing for granted, not even types', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.values(ANNOTATION)), fc.anything()),
        fc.dictionary(
          fc.constantFrom('holderIdentity', 'leaseTransitions', 'renewTime'),
          fc.anything(),
        ),
        (annotations, spec) => {
          const lease = { annotations, spec } as LeaseFields;
          parseShardLease(lease);
          parseNodeLease(lease);
        },
      ),
    );
  });

  const good = fields(
    formatShardLease(
      {
        assignment: ['demo-0'],
        inSync: [{ node: 'demo-0', incarnation: '0123456789abcdef' }],
        leader: { node: 'demo-0', incarnation: '0123456789abcdef' },
        epoch: 3,
        generation: 1,
        revision: 7,
        lastFailover: undefined,
      },
      0,
    ),
  );
  const wrong: readonly (readonly [string, LeaseFields, string])[] = [
    ['no in-sync set', without(good, ANNOTATION.inSync), 'annotation rdb.dev/in-sync is missing'],
    ['a name alone', change(good, ANNOTATION.inSync, 'demo-0'), '<node>/<incarnation>'],
    ['nobody assigned', change(good, ANNOTATION.assignment, ''), 'a list of 1 to 6 nodes'],
    ['a node twice', change(good, ANNOTATION.assignment, 'demo-0,demo-0'), 'each once'],
    ['generation 0', change(good, ANNOTATION.generation, '0'), 'a whole number from 1'],
    ['a leader outside the set', change(good, ANNOTATION.inSync, ''), 'spec.holderIdentity is'],
    ['a leader at epoch 0', spec(good, { leaseTransitions: 0 }), 'at least 1'],
    ['a negative epoch', spec(good, { leaseTransitions: -1 }), 'spec.leaseTransitions is -1'],
    ['a holder of others', spec(good, { holderIdentity: 'me' }), 'demo-0/0123456789abcdef'],
    ['a broken record', change(good, ANNOTATION.lastFailover, '{}'), 'JSON {node, cause'],
  ];
  for (const [title, lease, message] of wrong) {
    it(`are refused with ${title}`, () => {
      const read = parseShardLease(lease);
      expect(read.ok ? 'read' : read.error.message).to.contain(message);
    });
  }

  it('of a node need addresses as soon as there is a holder', () => {
    const read = parseNodeLease({
      annotations: {},
      spec: { holderIdentity: 'demo-0/0123456789abcdef' },
    });
    expect(read.ok ? 'read' : read.error.message).to.contain('rdb.dev/addresses is missing');
  });

  it('are never written in a form that nobody could read', () => {
    const content = {
      assignment: [],
      inSync: [],
      leader: undefined,
      epoch: 0,
      lastFailover: undefined,
    };
    expect(() => formatShardLease({ ...content, generation: 1, revision: 1 }, 0)).to.throw(
      'rdb.dev/assignment',
    );
  });

  it('have names that are read back, and only those', () => {
    expect(shardOfLeaseName('demo', shardLeaseName('demo', 12))).to.equal(12);
    expect(nodeOfLeaseName('demo', nodeLeaseName('demo', 0))).to.equal(0);
    for (const name of ['demo-shard-', 'demo-shard-01', 'demo-shard-x', 'demo2-shard-1', 'demo']) {
      expect(shardOfLeaseName('demo', name), name).to.equal(undefined);
    }
  });

  it('carry labels that say what they are', () => {
    expect(leaseLabels('demo', 'Shard')).to.deep.equal({
      'app.kubernetes.io/name': 'r-db',
      'app.kubernetes.io/instance': 'demo',
      'app.kubernetes.io/component': 'shard',
      'app.kubernetes.io/managed-by': 'r-db-operator',
      'rdb.dev/cluster': 'demo',
      'rdb.dev/kind': 'Shard',
    });
  });

  it('hold times with microseconds', () => {
    expect(microTime(0)).to.equal('1970-01-01T00:00:00.000000Z');
    expect(microTime(1_700_000_000_123.5)).to.equal('2023-11-14T22:13:20.123500Z');
  });
});

function fields(write: LeaseWrite): LeaseFields {
  const entries = Object.entries(write.annotations).filter(([, value]) => value !== null);
  return { annotations: Object.fromEntries(entries) as Record<string, string>, spec: write.spec };
}

function change(lease: LeaseFields, annotation: string, text: string): LeaseFields {
  return { ...lease, annotations: { ...lease.annotations, [annotation]: text } };
}

function without(lease: LeaseFields, annotation: string): LeaseFields {
  const rest = Object.entries(lease.annotations).filter(([name]) => name !== annotation);
  return { ...lease, annotations: Object.fromEntries(rest) };
}

function spec(lease: LeaseFields, changed: LeaseFields['spec']): LeaseFields {
  return { ...lease, spec: { ...lease.spec, ...changed } };
}
