import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import { changedRaw, leaseOf } from '@r-db/leases/raw.ts';
import type { Lease } from '@r-db/leases/store.ts';
import { ANNOTATION, LABEL, parseShardLease } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { makeLeases } from '../dev/leases.ts';
import { epoch, generation, incarnation } from './core/identity.ts';
import { changeOf, readShardLease } from './shard-lease.ts';

const identity = { cluster: 'demo', clusterId: 'uid-of-demo' };
const self = incarnation('demo-0/00000000000000aa');

describe('Lease of a shard', () => {
  let stored: Lease;
  beforeEach(async () => {
    const server = new MemoryLeases({ scheduler: realScheduler });
    await makeLeases(server.client('operator'), { ...identity, nodes: 1, shards: 4 });
    const lease = server.objects.get('demo-shard-3');
    if (lease === undefined) throw new Error('unreachable');
    stored = lease;
  });
  const read = (lease: Lease) => readShardLease(lease, { ...identity, shard: 3 });
  const refusal = (lease: Lease): string => {
    const reading = read(lease);
    return reading.ok ? 'was read' : reading.message;
  };

  it('is read as the core knows it', () => {
    expect(read(stored)).to.deep.equal({
      ok: true,
      lease: {
        uid: stored.uid,
        version: stored.resourceVersion,
        revision: 1,
        epoch: 0,
        generation: 1,
        leader: undefined,
        inSync: [],
        assignment: ['demo-0'],
      },
    });
  });

  it('is refused where it is another cluster’s, kind’s, shard’s, or nonsense', () => {
    expect(refusal({ ...stored, labels: { ...stored.labels, [LABEL.cluster]: 'other' } })).to.equal(
      'Lease demo-shard-3: label rdb.dev/cluster is "other": it must be "demo"',
    );
    expect(refusal({ ...stored, labels: { ...stored.labels, [LABEL.kind]: 'Node' } })).to.contain(
      'label rdb.dev/kind is "Node"',
    );
    expect(refusal({ ...stored, raw: { metadata: {} } })).to.contain('owned by nothing');
    expect(readShardLease(stored, { ...identity, shard: 2 })).to.deep.equal({
      ok: false,
      message: 'Lease demo-shard-3: the name must be demo-shard-2',
    });
    const annotations = { ...stored.annotations, [ANNOTATION.generation]: 'two' };
    expect(refusal({ ...stored, annotations })).to.contain('annotation rdb.dev/generation');
  });

  it('is changed in what the edit says, and in nothing else', () => {
    const edit = {
      cause: 'Restart',
      epoch: epoch(5),
      generation: generation(3),
      leader: self,
      inSync: [self],
    } as const;
    const raw = stored.raw as { metadata: object; spec: object };
    const foreign = { ...raw, spec: { ...raw.spec, strategy: 'OldestEmulationVersion' } };
    const leading = {
      ...stored,
      annotations: { ...stored.annotations, [ANNOTATION.inSync]: 'demo-0/00000000000000bb' },
      spec: { holderIdentity: 'demo-0/00000000000000bb', leaseTransitions: 4 },
      raw: foreign,
    };
    const times = { nowMs: 1_700_000_000_000, detectionMs: 0, promotionMs: 12.4 };
    const changed = leaseOf(changedRaw(leading, changeOf(leading, edit, times)));
    const parsed = parseShardLease(changed);
    expect(parsed.ok && parsed.content).to.deep.equal({
      assignment: ['demo-0'],
      inSync: [{ node: 'demo-0', incarnation: '00000000000000aa' }],
      leader: { node: 'demo-0', incarnation: '00000000000000aa' },
      epoch: 5,
      generation: 3,
      revision: 2,
      lastFailover: {
        node: 'demo-0',
        cause: 'ContainerRestarted',
        time: '2023-11-14T22:13:20.000Z',
        detectionMilliseconds: 0,
        promotionMilliseconds: 12,
      },
    });
    expect((changed.raw as typeof foreign).spec.strategy).to.equal('OldestEmulationVersion');
    expect(changed.spec.acquireTime).to.equal('2023-11-14T22:13:20.000000Z');
  });
});
