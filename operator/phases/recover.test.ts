import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { limits } from '../limits.ts';
import { annotations } from '../names.ts';
import { World } from '../testing/world.ts';

describe('total loss of shards', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.start();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  function generations(): number[] {
    return Array.from({ length: 6 }, (_, shard) => {
      const lease = world.get(RESOURCES.Lease, `demo-shard-${shard}`);
      return Number(lease.metadata.annotations?.['rdb.dev/generation']);
    });
  }

  /** The kubelet says that the pod's containers have ended, then the pod goes. */
  function endPod(name: string): void {
    world.edit(
      RESOURCES.Pod,
      name,
      (pod) => ({
        ...pod,
        status: {
          phase: 'Succeeded',
          containerStatuses: [{ name: 'node', state: { terminated: { exitCode: 0 } } }],
        },
      }),
      'status',
    );
    world.tools.memory.sawPod(world.get(RESOURCES.Pod, name));
    world.kubernetes.removePod(name);
  }

  async function settleTold(): Promise<void> {
    await world.settle();
    world.offsetMs += limits.failoverSettledMs;
    await world.settle();
  }

  it('starts the next generation at once where a container was restarted', async () => {
    world.create();
    await world.settle();
    world.kubernetes.restartContainer('demo-1');
    await settleTold();
    expect(generations()).to.deep.equal([1, 1, 2, 2, 1, 1]);
    expect(world.reasonOf('Ready')).to.equal('Ready');
    expect(world.condition('Degraded')).to.include({ reason: 'DataReset', status: 'True' });
    expect(world.cluster.status?.lastFailovers).to.have.length(1);
    expect(world.cluster.status?.lastFailovers?.[0]).to.include({
      node: 'demo-1',
      cause: 'ContainerRestarted',
      shards: 2,
    });
    expect(world.eventReasons()).to.include('ShardsReset');
  });

  it('tells it for ten minutes, and never twice', async () => {
    world.create();
    await world.settle();
    world.kubernetes.restartContainer('demo-1');
    await settleTold();
    const events = world.eventReasons();
    world.restartOperator();
    await settleTold();
    world.offsetMs += limits.resetToldMs;
    await settleTold();
    expect(world.reasonOf('Degraded')).to.equal('NoFault');
    expect(world.eventReasons()).to.deep.equal(events);
    expect(world.cluster.status?.lastFailovers).to.have.length(1);
  });

  it('starts the next generation at once where the kubelet said that the pod ended', async () => {
    world.create();
    await world.settle();
    endPod('demo-2');
    await settleTold();
    expect(generations()).to.deep.equal([1, 1, 1, 1, 2, 2]);
    expect(world.cluster.status?.lastFailovers?.[0]).to.include({ cause: 'PodEnded' });
  });

  it('waits 30 s where a pod vanished without a word', async () => {
    world.create();
    await world.settle();
    world.kubernetes.removePod('demo-0');
    await world.settle();
    expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(world.cluster.status?.shards).to.include({ lost: 2, led: 4, summary: '4/6' });
    expect(world.reasonOf('Available')).to.equal('ShardsWithoutLeader');
    world.offsetMs += limits.vanishedMs - 5000;
    await world.settle();
    expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
    world.offsetMs += 6000;
    await settleTold();
    expect(generations()).to.deep.equal([2, 2, 1, 1, 1, 1]);
    expect(world.cluster.status?.lastFailovers?.[0]).to.include({ cause: 'PodVanished' });
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('counts the 30 s anew in an operator that was restarted and knows no better', async () => {
    world.create();
    await world.settle();
    world.kubernetes.restartContainer('demo-0');
    world.restartOperator();
    world.offsetMs += limits.vanishedMs * 2;
    await world.settle();
    expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
    world.offsetMs += limits.vanishedMs;
    await world.settle();
    expect(generations()).to.deep.equal([2, 2, 1, 1, 1, 1]);
  });

  it('does nothing while the incarnation of the in-sync set may live', async () => {
    world.create();
    await world.settle();
    world.kubernetes.broken.add('demo-0');
    world.offsetMs += limits.vanishedMs * 10;
    await world.settle();
    expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(world.cluster.status?.shards?.lost).to.equal(0);
  });

  it('believes the API server, not a cache, before it gives up data', async () => {
    world.create();
    await world.settle();
    world.kubernetes.restartContainer('demo-1');
    world.kubernetes.act();
    await world.settle();
    // A cache that shows the Leases as they were: the set of a process that is gone.
    const old = new Map(
      world.api.objects
        .list(RESOURCES.Lease, 'default', 0)
        .map((lease) => [lease.metadata.name, structuredClone(lease)]),
    );
    world.kubernetes.restartContainer('demo-1');
    await world.settle();
    const before = generations();
    const { view } = world;
    Object.assign(world, {
      view: {
        ...view,
        ofCluster: async (resource: never, key: never) =>
          (resource as unknown) === RESOURCES.Lease
            ? [...old.values()].map((lease) =>
                lease.metadata.name.includes('-node-')
                  ? world.get(RESOURCES.Lease, lease.metadata.name)
                  : lease,
              )
            : view.ofCluster(resource, key),
      },
    });
    await world.reconcile().catch(() => {});
    expect(generations()).to.deep.equal(before);
  });

  describe('under Hold', () => {
    beforeEach(async () => {
      world.create({ failover: { promiseMilliseconds: 1000, totalLoss: 'Hold' } });
      await world.settle();
      world.kubernetes.restartContainer('demo-1');
      await world.settle();
    });

    it('waits for a person, and says for what', async () => {
      world.offsetMs += limits.vanishedMs * 10;
      await world.settle();
      expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
      expect(world.reasonOf('Ready')).to.equal('AwaitingDataLossAcceptance');
      expect(world.condition('Degraded')?.reason).to.equal('DataLossHeld');
      expect(world.condition('Degraded')?.message).to.contain(`${annotations.acceptDataLoss}=2-3`);
      expect(world.eventReasons()).to.include('DataLossHeld');
    });

    it('starts again what was accepted, and takes the word back', async () => {
      world.annotate({ [annotations.acceptDataLoss]: '2', other: 'stays' });
      await world.settle();
      expect(generations()).to.deep.equal([1, 1, 2, 1, 1, 1]);
      expect(world.cluster.metadata.annotations).to.deep.equal({ other: 'stays' });
      expect(world.condition('Degraded')?.message).to.contain(`${annotations.acceptDataLoss}=3`);
      world.annotate({ [annotations.acceptDataLoss]: '3' });
      await settleTold();
      expect(world.reasonOf('Ready')).to.equal('Ready');
      expect(world.eventReasons()).to.include('DataLossAccepted');
    });

    it('names an annotation that says nothing', async () => {
      world.annotate({ [annotations.acceptDataLoss]: 'yes please' });
      await world.settle();
      expect(world.condition('ConfigurationValid')).to.include({ reason: 'AnnotationInvalid' });
      expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
    });
  });
});

describe('the loss of nodes that have copies of each other', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.start();
    world.create({ replicationFactor: 2 });
    await world.settle();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  const generations = () =>
    [0, 1, 2, 3, 4, 5].map((shard) =>
      Number(
        world.get(RESOURCES.Lease, `demo-shard-${shard}`).metadata.annotations?.[
          'rdb.dev/generation'
        ],
      ),
    );

  it('loses nothing while one of them lives, and tells the failover once', async () => {
    world.kubernetes.restartContainer('demo-0');
    await world.settle();
    expect(world.cluster.status?.lastFailovers).to.deep.equal([]);
    world.offsetMs += limits.failoverSettledMs;
    await world.settle();
    expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(world.cluster.status?.lastFailovers).to.have.length(1);
    expect(world.cluster.status?.lastFailovers?.[0]).to.include({
      node: 'demo-0',
      cause: 'LeaderLost',
      shards: 2,
      detectionMilliseconds: 1000,
      promotionMilliseconds: 5,
    });
    const events = world.list(RESOURCES.Event) as unknown as { reason: string; note: string }[];
    const told = events.filter(({ reason }) => reason === 'Failover');
    expect(told).to.have.length(1);
    expect(told[0]?.note).to.contain('demo-0 lost the lead of shards 0-1 (LeaderLost)');
    expect(world.reasonOf('Degraded')).to.equal('NoFault');
    const writes = world.api.writes.length;
    world.restartOperator();
    await world.reconcile();
    world.offsetMs += limits.failoverSettledMs;
    await world.reconcile();
    expect(world.api.writes.length).to.equal(writes);
  });

  it('waits under Hold, the default, until a person accepts the loss of every copy', async () => {
    world.kubernetes.nodesAct = false;
    for (const node of ['demo-0', 'demo-1', 'demo-2']) world.kubernetes.restartContainer(node);
    world.kubernetes.nodesAct = true;
    world.offsetMs += limits.vanishedMs * 2;
    await world.settle();
    expect(generations()).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(world.cluster.status?.shards).to.include({ lost: 6, led: 0 });
    expect(world.condition('Degraded')?.reason).to.equal('DataLossHeld');
    world.annotate({ [annotations.acceptDataLoss]: '0-5' });
    await world.settle();
    expect(generations()).to.deep.equal([2, 2, 2, 2, 2, 2]);
    expect(world.cluster.metadata.annotations).to.deep.equal({});
    expect(world.cluster.status?.shards).to.include({ lost: 0, led: 6, inSync: 6 });
  });

  it('gives a lost shard to a node that is there', async () => {
    world.kubernetes.nodesAct = false;
    for (const node of ['demo-0', 'demo-1', 'demo-2']) world.kubernetes.restartContainer(node);
    const lease = () => world.get(RESOURCES.Lease, 'demo-shard-0');
    const first = lease().metadata.annotations?.['rdb.dev/assignment']?.split(',')[0] ?? '';
    world.kubernetes.broken.add(first);
    world.kubernetes.act();
    world.kubernetes.nodesAct = true;
    world.annotate({ [annotations.acceptDataLoss]: '0' });
    await world.settle();
    expect(lease().spec?.['holderIdentity']).to.be.a('string').and.not.contain(first);
  });

  it('says so where too few copies are in sync to take writes', async () => {
    world.editSpec({ minInSyncReplicas: 2 });
    await world.settle();
    world.kubernetes.broken.add('demo-2');
    await world.settle();
    expect(world.condition('Available')).to.include({ status: 'False', reason: 'NotEnoughInSync' });
    expect(world.condition('Available')?.message).to.contain('not ready: demo-2');
    expect(world.reasonOf('Ready')).to.equal('ShardsUnavailable');
    expect(world.cluster.status?.shards).to.include({ led: 6 });
    world.kubernetes.broken.clear();
    await world.settle();
    expect(world.reasonOf('Available')).to.equal('ShardsLed');
  });
});

describe('a shard Lease that was deleted', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.start();
    world.create();
    await world.settle();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  function deleteLease(name: string): void {
    const lease = world.api.objects.get(RESOURCES.Lease, 'default', name);
    if (lease !== undefined) world.api.objects.delete(RESOURCES.Lease, lease);
  }

  function holder(shard: number): string {
    return String(world.get(RESOURCES.Lease, `demo-shard-${shard}`).spec?.['holderIdentity']);
  }

  it('is not made again before its node has answered', async () => {
    deleteLease('demo-shard-0');
    await world.settle();
    expect(world.find(RESOURCES.Lease, 'demo-shard-0')).to.equal(undefined);
    expect(world.condition('Degraded')).to.include({ reason: 'LeasesLost' });
    expect(world.condition('Degraded')?.message).to.contain('demo-0');
    expect(world.reasonOf('Progressing')).to.equal('RestoringShards');
  });

  it('comes again with the set of those that hold the data, at a higher epoch', async () => {
    const incarnation = holder(0).split('/')[1] ?? '';
    deleteLease('demo-shard-0');
    const replica = { epoch: 7, generation: 3, sequence: 12n, keys: 1, bytes: 60 };
    world.answers.set('demo-0', {
      node: 'demo-0',
      incarnation,
      replicas: new Map([[0, replica]]),
    });
    await world.reconcile();
    const { metadata, spec } = world.get(RESOURCES.Lease, 'demo-shard-0');
    expect(spec).to.include({ leaseTransitions: 8 });
    expect(metadata.annotations).to.include({
      'rdb.dev/in-sync': `demo-0/${incarnation}`,
      'rdb.dev/generation': '3',
      'rdb.dev/assignment': 'demo-0',
    });
    expect(world.eventReasons()).to.include('LeaseRecreated');
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('comes again empty, at the next generation, where its node holds nothing', async () => {
    deleteLease('demo-shard-0');
    world.answers.set('demo-0', {
      node: 'demo-0',
      incarnation: 'f'.repeat(16),
      replicas: new Map(),
    });
    await world.reconcile();
    const { metadata, spec } = world.get(RESOURCES.Lease, 'demo-shard-0');
    expect(metadata.annotations).to.include({ 'rdb.dev/in-sync': '', 'rdb.dev/generation': '2' });
    expect(spec?.['leaseTransitions']).to.be.above(1);
  });
});
