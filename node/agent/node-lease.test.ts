import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import type { Lease } from '@r-db/leases/store.ts';
import { parseNodeLease } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { makeLeases } from '../dev/leases.ts';
import { ENDED_ANNOTATION, NodeLease } from './node-lease.ts';
import { CLUSTER_ID, identityOf, TestLog } from './testing/support.ts';
import type { NodeIdentity } from './types.ts';

describe('node Lease', () => {
  let scheduler: ManualScheduler;
  let server: MemoryLeases;
  let log: TestLog;
  let open: NodeLease[];

  beforeEach(() => {
    scheduler = new ManualScheduler();
    server = new MemoryLeases({ scheduler });
    log = new TestLog();
    open = [];
  });
  afterEach(() => {
    for (const lease of open) lease[Symbol.dispose]();
  });

  const make = () =>
    makeLeases(server.client('operator'), {
      cluster: 'demo',
      clusterId: CLUSTER_ID,
      nodes: 1,
      shards: 1,
    });
  const stored = (): Lease => {
    const lease = server.objects.get('demo-node-0');
    if (lease === undefined) throw new Error('no Lease');
    return lease;
  };
  const content = () => {
    const parsed = parseNodeLease(stored());
    if (!parsed.ok) throw new Error(parsed.error.message);
    return parsed.content;
  };
  function start(identity: NodeIdentity): { lease: NodeLease; ended: Promise<readonly string[]> } {
    const lease = new NodeLease({
      store: server.client(identity.incarnation),
      identity,
      scheduler,
      wallMs: () => 1_700_000_000_000 + scheduler.nowMs(),
      random: () => 0.5,
      log,
    });
    open.push(lease);
    return { lease, ended: lease.start() };
  }

  it('waits for a Lease that does not exist yet, and says so once', async () => {
    const { lease } = start(identityOf(0));
    await scheduler.advance(5_000);
    expect(lease.state).to.deep.include({ kind: 'waiting' });
    expect(log.lines).to.deep.equal([
      'warn Lease demo-node-0 does not exist yet: the operator makes it',
    ]);
    await make();
    await scheduler.advance(1_000);
    expect(lease.state).to.deep.equal({ kind: 'held' });
  });

  it('writes who runs and where, and renews it every 20 s', async () => {
    await make();
    const identity = identityOf(0);
    const { ended } = start(identity);
    await scheduler.advance(0);
    expect(await ended).to.deep.equal([]);
    expect(content()).to.deep.include({
      member: { node: 'demo-0', incarnation: identity.incarnation },
      podUid: 'pod-0',
      version: '0.1.0',
    });
    expect(content().addresses?.resp).to.deep.equal([{ host: '127.0.0.1', port: 6379 }]);
    expect(stored().spec.leaseDurationSeconds).to.equal(60);
    const { revision } = content();
    await scheduler.advance(61_000);
    expect(content().revision - revision).to.equal(3);
  });

  it('knows earlier starts of the same pod, and of no other', async () => {
    await make();
    const [first, second, third] = [1, 2, 3].map((number) => identityOf(0, number));
    const endedOf = async (identity: NodeIdentity | undefined) => {
      if (identity === undefined) throw new Error('unreachable');
      const { lease, ended } = start(identity);
      await scheduler.advance(0);
      lease[Symbol.dispose]();
      return await ended;
    };
    expect(await endedOf(first)).to.deep.equal([]);
    expect(await endedOf(second)).to.deep.equal([`demo-0/${first?.incarnation}`]);
    expect(await endedOf(third)).to.deep.equal([
      `demo-0/${second?.incarnation}`,
      `demo-0/${first?.incarnation}`,
    ]);
    expect(stored().annotations[ENDED_ANNOTATION]).to.contain(first?.incarnation);
    // The pod was replaced: what ran in the old one may live on.
    expect(await endedOf(identityOf(0, 4, 'pod-new'))).to.deep.equal([]);
    expect(stored().annotations[ENDED_ANNOTATION]).to.equal(undefined);
  });

  it('concludes nothing without the UID of a pod', async () => {
    await make();
    for (const number of [1, 2]) {
      const { lease, ended } = start(identityOf(0, number, ''));
      await scheduler.advance(0);
      lease[Symbol.dispose]();
      expect(await ended).to.deep.equal([]);
    }
  });

  it('gives way to a later incarnation of its name, for good', async () => {
    await make();
    const { lease } = start(identityOf(0, 1, 'pod-old'));
    await scheduler.advance(0);
    const later = identityOf(0, 2, 'pod-new');
    const other = start(later).lease;
    await scheduler.advance(100_000);
    expect(lease.state).to.deep.equal({ kind: 'superseded', by: `demo-0/${later.incarnation}` });
    expect(other.state).to.deep.equal({ kind: 'held' });
    expect(content().member?.incarnation).to.equal(later.incarnation);
  });

  for (const outage of ['frozen', 'refusing'] as const) {
    it(`outlives a store that is away for minutes (${outage})`, async () => {
      await make();
      const { lease } = start(identityOf(0));
      await scheduler.advance(0);
      server.setOutage(outage);
      await scheduler.advance(300_000);
      expect(lease.state).to.deep.equal({ kind: 'held' });
      server.setOutage('none');
      await scheduler.advance(20_000);
      expect(lease.ageMs).to.be.below(20_000);
    });
  }

  for (const code of [403, 409, 422, 429, 500] as const) {
    it(`tries again after ${code}, with growing waits`, async () => {
      await make();
      let updates = 0;
      server.setFault(({ verb }) => {
        if (verb !== 'update') return undefined;
        updates++;
        return { code };
      });
      const { lease } = start(identityOf(0));
      await scheduler.advance(60_000);
      expect(updates).to.be.within(5, 20);
      server.setFault(() => undefined);
      await scheduler.advance(10_000);
      expect(lease.state).to.deep.equal({ kind: 'held' });
    });
  }

  it('keeps what the operator writes into it', async () => {
    await make();
    const { lease } = start(identityOf(0));
    await scheduler.advance(0);
    const operator = server.client('operator');
    await operator.update(stored(), {
      annotations: { 'rdb.dev/zone': 'a', 'rdb.dev/host': 'worker-1' },
    });
    await scheduler.advance(25_000);
    expect(content()).to.deep.include({ zone: 'a', host: 'worker-1' });
    expect(lease.ageMs).to.be.below(10_000);
  });

  it('never takes a Lease of another cluster', async () => {
    await makeLeases(server.client('operator'), {
      cluster: 'demo',
      clusterId: 'another-cluster',
      nodes: 1,
      shards: 1,
    });
    const { lease } = start(identityOf(0));
    await scheduler.advance(10_000);
    expect(lease.state).to.deep.include({ kind: 'waiting' });
    expect(log.lines[0]).to.contain('must be owned by the RDbCluster of UID');
    expect(content().member).to.equal(undefined);
  });
});
