import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { makeLeases } from '../dev/leases.ts';
import { NodeLease } from './node-lease.ts';
import { Nodes } from './nodes.ts';
import { CLUSTER_ID, identityOf, TestLog } from './testing/support.ts';

describe('nodes of the cluster', () => {
  let scheduler: ManualScheduler;
  let server: MemoryLeases;
  let lists: number;
  let ignored: string[];
  let nodes: Nodes;
  let open: Disposable[];

  beforeEach(() => {
    scheduler = new ManualScheduler();
    server = new MemoryLeases({ scheduler });
    lists = 0;
    ignored = [];
    server.setFault(({ verb }) => {
      if (verb === 'list') lists++;
      return undefined;
    });
    nodes = new Nodes({
      store: server.client('demo-9'),
      identity: { cluster: 'demo', clusterId: CLUSTER_ID },
      scheduler,
      log: new TestLog(),
      onChange: () => {},
      onIgnored: (message) => ignored.push(message),
    });
    open = [nodes];
  });
  afterEach(() => {
    for (const one of open) one[Symbol.dispose]();
  });

  const make = (count: number, clusterId = CLUSTER_ID) =>
    makeLeases(server.client('operator'), { cluster: 'demo', clusterId, nodes: count, shards: 0 });
  function startNode(ordinal: number, start = 1): void {
    const lease = new NodeLease({
      store: server.client(`demo-${ordinal}`),
      identity: identityOf(ordinal, start),
      scheduler,
      wallMs: () => scheduler.nowMs(),
      random: () => 0.5,
      log: new TestLog(),
    });
    open.push(lease);
    void lease.start();
  }
  const known = () =>
    [...nodes.known].flatMap(([name, { addresses }]) => (addresses === undefined ? [] : [name]));

  it('are listed once where all are known', async () => {
    await make(2);
    startNode(0);
    startNode(1);
    await scheduler.advance(10);
    nodes.start();
    await scheduler.advance(600_000);
    expect(known()).to.deep.equal(['demo-0', 'demo-1']);
    expect(lists).to.equal(1);
  });

  it('are listed again while one is unknown, ever more seldom', async () => {
    await make(2);
    startNode(0);
    nodes.start();
    await scheduler.advance(300_000);
    expect(known()).to.deep.equal(['demo-0']);
    expect(lists).to.be.within(10, 20);
    startNode(1);
    await scheduler.advance(31_000);
    expect(known()).to.deep.equal(['demo-0', 'demo-1']);
  });

  it('are looked up when a shard names an unknown one, and not for old incarnations of known ones', async () => {
    await make(1);
    startNode(0);
    await scheduler.advance(10);
    nodes.start();
    await scheduler.advance(10);
    nodes.want({ node: 'demo-0', incarnation: 'f'.repeat(16) });
    await scheduler.advance(100_000);
    expect(lists).to.equal(2);
    await server.client('operator').create({
      ...server.objects.get('demo-node-0'),
      name: 'demo-node-1',
      labels: server.objects.get('demo-node-0')?.labels ?? {},
      annotations: {},
      spec: {},
      ownerReferences: [{ kind: 'RDbCluster', name: 'demo', uid: CLUSTER_ID }],
    });
    startNode(1);
    await scheduler.advance(10);
    nodes.want({ node: 'demo-1', incarnation: identityOf(1).incarnation });
    await scheduler.advance(10);
    expect(known()).to.deep.equal(['demo-0', 'demo-1']);
  });

  it('outlive a store that is away', async () => {
    await make(1);
    startNode(0);
    server.setOutage('refusing', 'demo-9');
    nodes.start();
    await scheduler.advance(60_000);
    expect(known()).to.deep.equal([]);
    server.setOutage('none', 'demo-9');
    await scheduler.advance(31_000);
    expect(known()).to.deep.equal(['demo-0']);
  });

  it('of another cluster are ignored, and told', async () => {
    await make(1, 'another-cluster');
    nodes.start();
    await scheduler.advance(100);
    expect(nodes.known.size).to.equal(0);
    expect(ignored[0]).to.contain('owned by another-cluster');
  });
});
