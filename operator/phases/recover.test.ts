import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import type { ReplicaState } from '@r-db/proto/replicas.ts';
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
    world.silent = true;
  });
  afterEach(() => world[Symbol.asyncDispose]());

  async function start(replicationFactor: number): Promise<void> {
    world.create({ replicationFactor });
    await world.settle();
  }

  function deleteLease(name: string): void {
    const lease = world.api.objects.get(RESOURCES.Lease, 'default', name);
    if (lease !== undefined) world.api.objects.delete(RESOURCES.Lease, lease);
  }

  const lease = () => world.get(RESOURCES.Lease, 'demo-shard-0');
  const inSync = () => lease().metadata.annotations?.['rdb.dev/in-sync'] ?? '';

  function incarnationOf(node: string): string {
    const name = node.replace('demo-', 'demo-node-');
    const holder = world.get(RESOURCES.Lease, name).spec?.['holderIdentity'];
    return String(holder).split('/')[1] ?? '';
  }

  function answer(node: string, state: Partial<ReplicaState>): void {
    const member = { node, incarnation: incarnationOf(node) };
    const replica: ReplicaState = {
      shard: 0,
      leading: false,
      epoch: 7,
      generation: 3,
      lastEpoch: 7,
      lastSequence: 12,
      leaseLost: true,
      revision: 20,
      inSync: ['demo-0', 'demo-1', 'demo-2'].map((other) => ({
        node: other,
        incarnation: incarnationOf(other),
      })),
      ...state,
    };
    world.answers.set(node, { ...world.answerOf(node, [replica]), ...member });
  }

  it('is not made again before its node has answered', async () => {
    await start(1);
    deleteLease('demo-shard-0');
    await world.settle();
    expect(world.find(RESOURCES.Lease, 'demo-shard-0')).to.equal(undefined);
    expect(world.condition('Degraded')).to.include({ reason: 'LeasesLost' });
    expect(world.condition('Degraded')?.message).to.contain('demo-0');
    expect(world.reasonOf('Progressing')).to.equal('RestoringShards');
  });

  it('comes again led as before, at a higher epoch', async () => {
    await start(1);
    deleteLease('demo-shard-0');
    answer('demo-0', { leading: true });
    await world.reconcile();
    const member = `demo-0/${incarnationOf('demo-0')}`;
    expect(lease().spec).to.include({ leaseTransitions: 8, holderIdentity: member });
    expect(lease().metadata.annotations).to.include({
      'rdb.dev/in-sync': member,
      'rdb.dev/generation': '3',
      'rdb.dev/assignment': 'demo-0',
    });
    expect(world.eventReasons()).to.include('LeaseRecreated');
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('comes again empty, at the next generation, where its node holds nothing', async () => {
    await start(1);
    deleteLease('demo-shard-0');
    answer('demo-0', { generation: 0, inSync: [] });
    await world.reconcile();
    expect(inSync()).to.equal('');
    expect(lease().metadata.annotations).to.include({ 'rdb.dev/generation': '2' });
    expect(lease().spec?.['leaseTransitions']).to.equal(8);
  });

  it('waits for every node that was assigned, and for no other that is away', async () => {
    await start(2);
    deleteLease('demo-shard-0');
    answer('demo-0', { leading: true });
    await world.reconcile();
    expect(world.find(RESOURCES.Lease, 'demo-shard-0')).to.equal(undefined);
    expect(world.condition('Degraded')?.message).to.match(/waiting for demo-1$/);
    answer('demo-1', {});
    await world.reconcile();
    expect(
      inSync()
        .split(',')
        .map((text) => text.split('/')[0]),
    ).to.deep.equal(['demo-0', 'demo-1']);
  });

  it('waits for all nodes where a new operator does not know who was assigned', async () => {
    await start(2);
    deleteLease('demo-shard-0');
    world.restartOperator();
    answer('demo-0', { leading: true });
    answer('demo-1', {});
    await world.reconcile();
    expect(world.condition('Degraded')?.message).to.match(/waiting for demo-2$/);
    answer('demo-2', { generation: 0 });
    await world.reconcile();
    expect(lease().metadata.annotations?.['rdb.dev/assignment']).to.equal('demo-0,demo-1');
  });

  it('is not made anew by what another cluster or another node answers', async () => {
    await start(1);
    deleteLease('demo-shard-0');
    answer('demo-0', { leading: true });
    const good = world.answers.get('demo-0');
    answer('demo-0', { leading: true, leaseLost: false });
    await world.reconcile();
    expect(world.find(RESOURCES.Lease, 'demo-shard-0')).to.equal(undefined);
    for (const other of [{ clusterId: 'other' }, { node: 'demo-1' }]) {
      if (good !== undefined) world.answers.set('demo-0', { ...good, ...other });
      await world.reconcile();
      expect(world.find(RESOURCES.Lease, 'demo-shard-0')).to.equal(undefined);
    }
  });

  it('waits for a person where no member of the in-sync set is left, under Hold', async () => {
    await start(2);
    deleteLease('demo-shard-0');
    const gone = [{ node: 'demo-0', incarnation: 'e'.repeat(16) }];
    answer('demo-0', { generation: 0, inSync: gone });
    answer('demo-1', { inSync: gone });
    await world.settle();
    expect(world.find(RESOURCES.Lease, 'demo-shard-0')).to.equal(undefined);
    expect(world.condition('Degraded')?.reason).to.equal('DataLossHeld');
    world.annotate({ [annotations.acceptDataLoss]: '0' });
    await world.reconcile();
    expect(inSync()).to.equal('');
    expect(lease().metadata.annotations).to.include({ 'rdb.dev/generation': '4' });
  });
});
