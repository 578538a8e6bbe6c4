/** The operator and real nodes, on an API server that is a fake: what must fit together, without a Kubernetes. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { limits } from '@r-db/operator/limits.ts';
import { World } from '@r-db/operator/testing/world.ts';
import { expect } from 'chai';
import { Cluster } from 'ioredis';
import { after, before, describe, it } from 'mocha';
import { RealNodes } from './real-nodes.ts';

const KEYS = 300;

describe('the operator and the nodes of a cluster', function () {
  this.timeout(240_000);
  let world: World;
  let nodes: RealNodes;
  let client: Cluster;

  before(async () => {
    world = await World.start();
    nodes = await RealNodes.start(world);
    // Long promises: on a busy machine a node that waits for its turn must not look dead.
    world.create({ replicationFactor: 3, failover: { promiseMilliseconds: 5000 } });
    await nodes.converge(isWhole);
    client = new Cluster([nodes.address], { clusterRetryStrategy: () => 100 });
    client.on('error', () => {});
    for (let key = 0; key < KEYS; key++) await client.set(`key${key}`, key);
  });
  after(async () => {
    client?.disconnect();
    await nodes?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const shards = () =>
    world.list(RESOURCES.Lease).filter(({ metadata }) => metadata.name.includes('-shard-'));
  const annotation = (name: string) =>
    shards().map(({ metadata }) => metadata.annotations?.[`rdb.dev/${name}`] ?? '');
  const copies = () => annotation('in-sync').map((text) => text.split(',').length);

  function isWhole(): boolean {
    return world.reasonOf('Ready') === 'Ready' && world.reasonOf('InSync') === 'AllInSync';
  }

  async function allKeysAreThere(): Promise<void> {
    const values = await Promise.all(
      Array.from({ length: KEYS }, (_, key) => client.get(`key${key}`)),
    );
    expect(values).to.deep.equal(Array.from({ length: KEYS }, (_, key) => String(key)));
    expect(new Set(annotation('generation'))).to.deep.equal(new Set(['1']));
  }

  it('keep every key while copies are taken away and added', async () => {
    world.editSpec({ replicationFactor: 1 });
    await nodes.converge(() => isWhole() && copies().every((count) => count === 1));
    await allKeysAreThere();
    world.editSpec({ replicationFactor: 3 });
    await nodes.converge(() => isWhole() && copies().every((count) => count === 3));
    await allKeysAreThere();
    expect(world.cluster.status).to.include({ minInSyncReplicas: 2 });
  });

  it('keep every key while pods are replaced, and take writes meanwhile', async () => {
    const before = world.list(RESOURCES.Pod).map(({ metadata }) => metadata.uid);
    const acknowledged: string[] = [];
    const writes: Promise<unknown>[] = [];
    // One at each look. Some may be refused for a moment; what was acknowledged must stay.
    const write = (key: string) =>
      client.set(key, key).then(
        () => acknowledged.push(key),
        () => {},
      );
    world.editSpec({ terminationGracePeriodSeconds: 60 });
    await nodes.converge(() => {
      writes.push(write(`more${writes.length}`));
      const pods = world.list(RESOURCES.Pod);
      return isWhole() && pods.every(({ metadata }) => !before.includes(metadata.uid));
    });
    await Promise.all(writes);
    await allKeysAreThere();
    expect(acknowledged).to.have.length.above(0);
    const values = await Promise.all(acknowledged.map((key) => client.get(key)));
    expect(values).to.deep.equal(acknowledged);
    expect(world.cluster.status?.lastFailovers).to.deep.equal([]);
  });

  it('make a Lease anew that was deleted, with the data that they hold', async () => {
    const lease = world.api.objects.get(RESOURCES.Lease, 'default', 'demo-shard-0');
    if (lease === undefined) throw new Error('no Lease');
    world.api.objects.delete(RESOURCES.Lease, lease);
    await nodes.converge(
      () => world.find(RESOURCES.Lease, 'demo-shard-0') !== undefined && isWhole(),
    );
    expect(world.eventReasons()).to.include('LeaseRecreated');
    await allKeysAreThere();
  });

  it('lose nothing with a node that dies, and tell of it', async () => {
    nodes.kill('demo-1');
    await nodes.converge(() => (world.cluster.status?.shards?.underReplicated ?? 0) > 0);
    await nodes.converge(isWhole);
    world.offsetMs += limits.failoverSettledMs;
    await nodes.converge(() => world.cluster.status?.lastFailovers?.length === 1);
    expect(world.cluster.status?.lastFailovers?.[0]).to.include({ node: 'demo-1' });
    await allKeysAreThere();
  });
});
