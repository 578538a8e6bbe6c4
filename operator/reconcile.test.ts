import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { limits } from './limits.ts';
import { World } from './testing/world.ts';

describe('reconcile', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.start();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  it('makes a cluster of a plain object', async () => {
    world.create();
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Ready');
    expect(world.cluster.status).to.deep.include({
      observedGeneration: 1,
      nodes: 3,
      readyNodes: 3,
      version: '0.1.0',
      minInSyncReplicas: 1,
      totalLoss: 'Reset',
    });
    expect(world.cluster.status?.shards?.summary).to.equal('6/6');
    expect(world.list(RESOURCES.Lease)).to.have.length(3 + 6);
    expect(world.eventReasons()).to.deep.equal(['Available', 'Creating']);
  });

  it('makes Leases and everything that pods refer to before the StatefulSet', async () => {
    world.create();
    await world.reconcile();
    const created = world.api.writes.filter(({ verb }) => verb === 'create');
    const kinds = created.map(({ resource }) => resource.kind).filter((kind) => kind !== 'Event');
    expect(kinds.at(-1)).to.equal('StatefulSet');
    expect(kinds.filter((kind) => kind === 'Lease')).to.have.length(9);
  });

  it('writes nothing when nothing is to be done', async () => {
    world.create();
    await world.settle();
    const before = world.api.writes.length;
    await world.reconcile();
    world.restartOperator();
    await world.reconcile();
    expect(world.api.writes.slice(before)).to.deep.equal([]);
  });

  it('sends every change of an object with its resourceVersion', async () => {
    world.create();
    await world.settle();
    world.editSpec({ terminationGracePeriodSeconds: 60, podMetadata: { labels: { team: 'a' } } });
    await world.settle();
    const updates = world.api.writes.filter(({ verb }) => verb === 'update' || verb === 'patch');
    expect(updates).to.have.length.above(5);
    for (const { body, resource } of updates) {
      const { resourceVersion } = body['metadata'] as { resourceVersion?: string };
      expect(resourceVersion, resource.kind).to.be.a('string');
    }
  });

  it('tells host and zone of a node in its Lease', async () => {
    world.create();
    await world.settle();
    const lease = world.get(RESOURCES.Lease, 'demo-node-1');
    expect(lease.metadata.annotations).to.include({
      'rdb.dev/host': 'host-1',
      'rdb.dev/zone': 'z2',
    });
  });

  it('repairs what somebody changed, and leaves alone what others added', async () => {
    world.create();
    await world.settle();
    world.edit(RESOURCES.Service, 'demo', (service) => ({
      ...service,
      metadata: {
        ...service.metadata,
        annotations: { ...service.metadata.annotations, mine: '1' },
      },
      spec: { ...service.spec, ports: [], clusterIP: '10.96.0.7' },
    }));
    await world.settle();
    const { metadata, spec } = world.get(RESOURCES.Service, 'demo');
    expect(metadata.annotations).to.include({ mine: '1' });
    expect(spec?.['clusterIP']).to.equal('10.96.0.7');
    expect(spec?.['ports']).to.have.length(2);
  });

  it('makes anew what was deleted, with the same hash seed', async () => {
    world.create();
    await world.settle();
    for (const [resource, name] of [
      [RESOURCES.ConfigMap, 'demo-config'],
      [RESOURCES.Service, 'demo-nodes'],
      [RESOURCES.Role, 'demo-nodes'],
    ] as const) {
      const object = world.api.objects.get(resource, 'default', name);
      if (object !== undefined) world.api.objects.delete(resource, object);
    }
    world.tools = { ...world.tools, randomSeed: () => 'ffffffffffffffff' };
    await world.settle();
    expect(world.get(RESOURCES.ConfigMap, 'demo-config').data).to.include({
      RDB_HASH_SEED: '0123456789abcdef',
    });
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('never makes a new seed where a cache does not show the ConfigMap', async () => {
    world.create();
    await world.settle();
    const { view } = world;
    Object.assign(world, {
      view: {
        ...view,
        get: async (resource: never, key: never) =>
          (resource as unknown) === RESOURCES.ConfigMap ? undefined : view.get(resource, key),
      },
    });
    world.tools = { ...world.tools, randomSeed: () => 'ffffffffffffffff' };
    await world.reconcile();
    expect(world.get(RESOURCES.ConfigMap, 'demo-config').data).to.include({
      RDB_HASH_SEED: '0123456789abcdef',
    });
  });

  it('patches labels and annotations onto live pods without replacing them', async () => {
    world.create({ podMetadata: { labels: { team: 'a' }, annotations: { note: 'x' } } });
    await world.settle();
    const before = world.get(RESOURCES.Pod, 'demo-0').metadata.uid;
    world.editSpec({ podMetadata: { labels: { stage: 'b' } } });
    await world.settle();
    const { uid, labels, annotations: texts } = world.get(RESOURCES.Pod, 'demo-0').metadata;
    expect(uid).to.equal(before);
    expect(labels).to.include({ stage: 'b', 'apps.kubernetes.io/pod-index': '0' });
    expect(labels).not.to.have.property('team');
    expect(texts).not.to.have.property('note');
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('changes a reloadable setting without replacing pods', async () => {
    world.create();
    await world.settle();
    const before = world.get(RESOURCES.Pod, 'demo-0').metadata.uid;
    world.editSpec({ failover: { promiseMilliseconds: 3000, totalLoss: 'Hold' } });
    await world.settle();
    expect(world.get(RESOURCES.ConfigMap, 'demo-config').data).to.include({
      RDB_PROMISE_MILLISECONDS: '3000',
      RDB_TOTAL_LOSS: 'Hold',
    });
    expect(world.get(RESOURCES.Pod, 'demo-0').metadata.uid).to.equal(before);
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('keeps the image of a cluster when the operator is upgraded', async () => {
    world.create();
    await world.settle();
    const version = world.api.objects.version;
    world.tools = { ...world.tools, image: 'rdb.dev/r-db:next' };
    await world.settle();
    expect(world.api.objects.version).to.equal(version);
  });

  it('leaves everything to the owner references when the cluster goes', async () => {
    world.create();
    await world.settle();
    const cluster = world.api.objects.get(RESOURCES.RDbCluster, 'default', 'demo');
    if (cluster !== undefined) world.api.objects.delete(RESOURCES.RDbCluster, cluster);
    const writes = world.api.writes.length;
    expect((await world.reconcile()).kind).to.equal('gone');
    expect(world.api.writes).to.have.length(writes);
    const left = Object.values(RESOURCES).flatMap((resource) => world.list(resource));
    expect(left.map(({ kind }) => kind).filter((kind) => kind !== 'Event')).to.deep.equal([]);
  });

  it('makes nothing while paused, and says so', async () => {
    world.create({ paused: true });
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Paused');
    expect(world.list(RESOURCES.Lease)).to.deep.equal([]);
    world.editSpec({ paused: false });
    await world.settle();
    world.editSpec({ paused: true, terminationGracePeriodSeconds: 60 });
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Paused');
    expect(world.reasonOf('Progressing')).to.equal('Paused');
  });

  it('adopts no object of somebody else, and names it', async () => {
    const object = { metadata: { name: 'demo' }, spec: { selector: { app: 'other' } } };
    world.api.objects.create(RESOURCES.Service, 'default', object);
    world.create();
    const outcome = await world.settle();
    expect(outcome.kind).to.equal('blocked');
    expect(world.reasonOf('Ready')).to.equal('Blocked');
    expect(world.condition('Degraded')).to.include({ reason: 'ForeignObject', status: 'True' });
    expect(world.condition('Degraded')?.message).to.contain('Service demo');
    expect(world.get(RESOURCES.Service, 'demo').spec).to.deep.equal(object.spec);
    expect(world.find(RESOURCES.StatefulSet, 'demo')).to.equal(undefined);
    const service = world.api.objects.get(RESOURCES.Service, 'default', 'demo');
    if (service !== undefined) world.api.objects.delete(RESOURCES.Service, service);
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('waits until the objects of an earlier cluster of the same name are gone', async () => {
    world.create();
    await world.settle();
    world.edit(RESOURCES.ConfigMap, 'demo-config', (object) => ({
      ...object,
      metadata: {
        ...object.metadata,
        ownerReferences: object.metadata.ownerReferences?.map((owner) => ({
          ...owner,
          uid: 'old',
        })),
      },
    }));
    await world.settle();
    expect(world.reasonOf('Progressing')).to.equal('AwaitingDeletion');
    expect(world.reasonOf('Degraded')).to.equal('NoFault');
  });

  it('tells what a person must permit or change', async () => {
    world.create();
    world.api.setFault(({ verb, resource }) =>
      verb === 'create' && resource.kind === 'Role' ? { code: 403 } : undefined,
    );
    expect((await world.settle()).kind).to.equal('blocked');
    expect(world.reasonOf('Degraded')).to.equal('Forbidden');
    world.api.setFault(({ verb, resource }) =>
      verb === 'create' && resource.kind === 'StatefulSet' ? { code: 422 } : undefined,
    );
    await world.settle();
    expect(world.reasonOf('ConfigurationValid')).to.equal('Rejected');
    expect(world.reasonOf('Ready')).to.equal('ConfigurationInvalid');
    world.api.setFault(() => undefined);
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Ready');
    expect(world.reasonOf('Degraded')).to.equal('NoFault');
  });

  it('says what contradicts itself where the schema did not', async () => {
    world.create({ resources: { limits: { memory: '600Mi', cpu: '8' } } });
    await world.settle();
    expect(world.condition('ConfigurationValid')).to.include({
      status: 'False',
      reason: 'Invalid',
    });
    expect(world.condition('ConfigurationValid')?.message).to.contain('at least 640Mi');
  });

  it('goes on after errors that pass, and tells of them only if they stay', async () => {
    world.create();
    await world.settle();
    world.editSpec({ terminationGracePeriodSeconds: 60 });
    for (const code of [409, 429, 500, 503]) {
      world.api.setFault(({ verb, resource }) =>
        verb === 'update' && resource.kind === 'StatefulSet' ? { code } : undefined,
      );
      const error = await world.reconcile().catch((thrown: unknown) => thrown);
      expect(error, String(code)).to.include({ name: 'ApiError' });
      expect(world.reasonOf('Degraded')).to.equal('NoFault');
    }
    await world.reconcile({ failures: limits.failuresUntold }).catch(() => {});
    expect(world.reasonOf('Degraded')).to.equal('ApiErrors');
    world.api.setFault(() => undefined);
    await world.settle();
    expect(world.reasonOf('Degraded')).to.equal('NoFault');
  });

  it('tells pods that fail, at once or after a minute', async () => {
    world.create();
    world.kubernetes.broken.add('demo-1');
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Creating');
    expect(world.reasonOf('Degraded')).to.equal('NoFault');
    world.offsetMs += limits.unhealthyAfterMs + 1000;
    await world.settle();
    expect(world.condition('Degraded')?.reason).to.equal('NodesUnhealthy');
    expect(world.condition('Degraded')?.message).to.contain('demo-1');
    world.edit(
      RESOURCES.Pod,
      'demo-1',
      (pod) => ({
        ...pod,
        status: {
          ...pod.status,
          containerStatuses: [
            { name: 'node', state: { waiting: { reason: 'ErrImageNeverPull' } } },
          ],
        },
      }),
      'status',
    );
    await world.reconcile();
    expect(world.condition('Degraded')?.message).to.contain('ErrImageNeverPull');
  });
});
