import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { World } from '../testing/world.ts';

describe('the assignment of a cluster that runs', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.start();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  const shardNames = [0, 1, 2, 3, 4, 5].map((shard) => `demo-shard-${shard}`);

  function annotation(lease: string, name: string): string {
    return world.get(RESOURCES.Lease, lease).metadata.annotations?.[`rdb.dev/${name}`] ?? '';
  }

  const assignments = () => shardNames.map((name) => annotation(name, 'assignment').split(','));
  const leaders = () =>
    shardNames.map((name) => String(world.get(RESOURCES.Lease, name).spec?.['holderIdentity']));
  const members = () =>
    shardNames.map((name) => annotation(name, 'in-sync').split(',').length).join('');

  function editAnnotation(lease: string, name: string, text: string): void {
    world.edit(RESOURCES.Lease, lease, (object) => ({
      ...object,
      metadata: {
        ...object.metadata,
        annotations: { ...object.metadata.annotations, [`rdb.dev/${name}`]: text },
      },
    }));
  }

  const minInSync = () =>
    world.get(RESOURCES.ConfigMap, 'demo-config').data?.['RDB_MIN_IN_SYNC_REPLICAS'];

  it('has as many nodes as copies, leaders spread', async () => {
    world.create({ replicationFactor: 3 });
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Ready');
    expect(world.reasonOf('InSync')).to.equal('AllInSync');
    expect(assignments().every((nodes) => new Set(nodes).size === 3)).to.equal(true);
    expect(
      assignments()
        .map(([first]) => first?.slice(-1))
        .join(''),
    ).to.equal('001122');
    expect(world.cluster.status).to.deep.include({ minInSyncReplicas: 2, totalLoss: 'Hold' });
    expect(world.cluster.status?.shards).to.include({ inSync: 6, underReplicated: 0 });
  });

  it('gets more copies while it serves; minInSyncReplicas rises when they are in sync', async () => {
    world.create();
    await world.settle();
    const before = leaders();
    const pods = world.list(RESOURCES.Pod).map(({ metadata }) => metadata.uid);
    world.kubernetes.stuck.add('demo-2');
    world.editSpec({ replicationFactor: 3, minInSyncReplicas: 3 });
    await world.settle();
    expect(members()).to.equal('222233');
    expect(minInSync()).to.equal('1');
    expect(world.cluster.status).to.deep.include({ minInSyncReplicas: 1, totalLoss: 'Hold' });
    expect(world.reasonOf('InSync')).to.equal('ReplicasOutOfSync');
    world.kubernetes.stuck.clear();
    await world.settle();
    expect(members()).to.equal('333333');
    expect(minInSync()).to.equal('3');
    expect(leaders()).to.deep.equal(before);
    expect(world.list(RESOURCES.Pod).map(({ metadata }) => metadata.uid)).to.deep.equal(pods);
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('gets fewer copies, never without the leader, none before the others are in sync', async () => {
    world.create({ replicationFactor: 3 });
    await world.settle();
    const before = leaders();
    world.editSpec({ replicationFactor: 1 });
    await world.settle();
    expect(members()).to.equal('111111');
    expect(leaders()).to.deep.equal(before);
    expect(minInSync()).to.equal('1');
    expect(world.reasonOf('Balanced')).to.equal('Balanced');
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('is written only of shards that are led', async () => {
    world.create();
    await world.settle();
    world.kubernetes.removePod('demo-1');
    world.kubernetes.nodesAct = false;
    world.editSpec({ replicationFactor: 2 });
    await world.reconcile();
    expect(assignments().map(({ length }) => length)).to.deep.equal([2, 2, 1, 1, 2, 2]);
  });

  it('is repaired where somebody made it nonsense, and told', async () => {
    world.create({ replicationFactor: 2 });
    await world.settle();
    const [first, second] = assignments();
    editAnnotation('demo-shard-0', 'assignment', '!?');
    editAnnotation('demo-shard-1', 'assignment', 'demo-0,other-7');
    const revision = Number(annotation('demo-shard-0', 'revision'));
    world.restartOperator();
    await world.settle();
    expect(assignments()[0]?.toSorted()).to.deep.equal(first?.toSorted());
    expect(assignments()[1]?.[0]).to.equal(second?.[0]);
    expect(assignments()[1]).to.have.length(2);
    expect(Number(annotation('demo-shard-0', 'revision'))).to.equal(revision + 1);
    expect(world.reasonOf('Degraded')).to.equal('NoFault');
    const events = world.eventReasons().filter((reason) => reason === 'AssignmentRepaired');
    expect(events).to.have.length(2);
  });

  it('keeps an order that a person chose', async () => {
    world.create({ replicationFactor: 2 });
    await world.settle();
    const [nodes = []] = assignments();
    editAnnotation('demo-shard-0', 'assignment', nodes.toReversed().join(','));
    await world.settle();
    expect(assignments()[0]).to.deep.equal(nodes.toReversed());
    expect(leaders()[0]).to.contain(nodes[1]);
  });

  it('puts copies on other hosts once it is known where pods are', async () => {
    world.kubernetes.zones.clear();
    for (const host of ['host-0', 'host-1']) world.kubernetes.zones.set(host, host);
    world.kubernetes.nodesAct = false;
    world.create({ nodes: 4, replicationFactor: 2 });
    await world.settle();
    world.kubernetes.nodesAct = true;
    await world.settle();
    for (const nodes of assignments()) {
      const hosts = nodes.map((node) => Number(node.slice(-1)) % 2);
      expect(new Set(hosts).size, nodes.join()).to.equal(2);
    }
  });

  it('puts copies into other zones once those are known', async () => {
    world.kubernetes.zones.clear();
    for (const host of [0, 1, 2, 3]) {
      world.kubernetes.zones.set(`host-${host}`, host < 2 ? 'east' : 'west');
    }
    world.kubernetes.nodesAct = false;
    world.create({ nodes: 4, replicationFactor: 2 });
    await world.settle();
    world.kubernetes.nodesAct = true;
    await world.settle();
    for (const nodes of assignments()) {
      const zones = nodes.map((node) => Number(node.slice(-1)) < 2);
      expect(new Set(zones).size, nodes.join()).to.equal(2);
    }
  });

  it('says so where no failure is tolerated', async () => {
    world.create({ replicationFactor: 2, minInSyncReplicas: 2 });
    await world.settle();
    expect(world.condition('ConfigurationValid')).to.include({
      status: 'True',
      reason: 'NoFailureTolerated',
    });
  });
});
