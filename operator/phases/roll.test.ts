import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { limits } from '../limits.ts';
import { annotations } from '../names.ts';
import { World } from '../testing/world.ts';

describe('replacing nodes', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.start();
    world.create();
    await world.settle();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  const newImage = { image: 'rdb.dev/r-db:next' };

  function wantedHash(): string {
    const set = world.get(RESOURCES.StatefulSet, 'demo');
    return set.metadata.annotations?.[annotations.templateHash] ?? '';
  }

  function images(): unknown[] {
    return world
      .list(RESOURCES.Pod)
      .map(({ spec }) => (spec?.['containers'] as { image: string }[] | undefined)?.[0]?.image);
  }

  /** A pod that is deleted goes gracefully: the kubelet reports its end. */
  function watchPods(): string[] {
    const deleted: string[] = [];
    world.api.objects.onChange(({ resource, before, after }) => {
      if (resource.kind !== 'Pod' || after !== undefined || before === undefined) return;
      deleted.push(before.metadata.name);
      world.tools.memory.sawPod({
        ...(before as object),
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...before.metadata, deletionTimestamp: 'now' } as never,
        status: { containerStatuses: [{ name: 'node', state: { terminated: {} } }] },
      });
    });
    return deleted;
  }

  it('waits for a person, for with one copy it loses data', async () => {
    world.editSpec(newImage);
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('AwaitingDataLossAcceptance');
    expect(world.condition('Progressing')).to.include({ status: 'False' });
    expect(world.condition('Ready')?.message).to.contain(
      `${annotations.acceptDataLoss}=${wantedHash()}`,
    );
    expect(images()).to.deep.equal(Array.from({ length: 3 }, () => 'rdb.dev/r-db:test'));
    world.editSpec({ image: 'rdb.dev/r-db:test' });
    await world.settle();
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('replaces one node at a time once it is accepted, then takes the word back', async () => {
    world.editSpec(newImage);
    await world.settle();
    const deleted = watchPods();
    let mostMissing = 0;
    world.api.objects.onChange(() => {
      mostMissing = Math.max(mostMissing, 3 - world.list(RESOURCES.Pod).length);
    });
    world.annotate({ [annotations.acceptDataLoss]: wantedHash() });
    await world.settle();
    expect(deleted).to.deep.equal(['demo-2', 'demo-1', 'demo-0']);
    expect(mostMissing).to.equal(1);
    expect(images()).to.deep.equal(Array.from({ length: 3 }, () => 'rdb.dev/r-db:next'));
    expect(world.reasonOf('Ready')).to.equal('Ready');
    expect(world.cluster.metadata.annotations).to.deep.equal({});
    world.offsetMs += limits.failoverSettledMs;
    await world.settle();
    expect(world.reasonOf('Degraded')).to.equal('DataReset');
  });

  it('stops at the first node that does not become ready with the new template', async () => {
    world.editSpec(newImage);
    await world.settle();
    const deleted = watchPods();
    world.kubernetes.broken.add('demo-2');
    world.annotate({ [annotations.acceptDataLoss]: wantedHash() });
    await world.settle();
    expect(deleted).to.deep.equal(['demo-2']);
    expect(world.reasonOf('Progressing')).to.equal('ReplacingNodes');
    // The mistake is undone: the broken one holds nothing any more and needs no new word.
    world.kubernetes.broken.clear();
    world.editSpec({ image: 'rdb.dev/r-db:test' });
    await world.settle();
    expect(images()).to.deep.equal(Array.from({ length: 3 }, () => 'rdb.dev/r-db:test'));
  });

  it('says so when the word is for another template', async () => {
    world.editSpec(newImage);
    await world.settle();
    world.annotate({ [annotations.acceptDataLoss]: '0123456789ab' });
    await world.settle();
    expect(world.condition('ConfigurationValid')?.message).to.contain(wantedHash());
    expect(world.reasonOf('Ready')).to.equal('AwaitingDataLossAcceptance');
  });

  it('does not delete a pod before the StatefulSet knows the new template', async () => {
    world.editSpec(newImage);
    await world.settle();
    const deleted = watchPods();
    world.edit(
      RESOURCES.StatefulSet,
      'demo',
      (set) => ({ ...set, status: { observedGeneration: 0 } }),
      'status',
    );
    world.annotate({ [annotations.acceptDataLoss]: wantedHash() });
    await world.reconcile();
    expect(deleted).to.deep.equal([]);
  });
});

describe('replacing nodes that have copies of each other', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.start();
    world.create({ replicationFactor: 3 });
    await world.settle();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  function deletions(): string[] {
    const deleted: string[] = [];
    world.api.objects.onChange(({ resource, before, after }) => {
      if (resource.kind === 'Pod' && after === undefined && before !== undefined) {
        deleted.push(before.metadata.name);
      }
    });
    return deleted;
  }

  it('asks nobody, and goes on only while all copies are in sync', async () => {
    const deleted = deletions();
    let unwhole = 0;
    world.api.objects.onChange(({ resource, after }) => {
      if (resource.kind !== 'Pod' || after !== undefined) return;
      const sets = world
        .list(RESOURCES.Lease)
        .map(({ metadata }) => metadata.annotations?.['rdb.dev/in-sync'])
        .filter((set) => set !== undefined);
      unwhole += sets.filter((set) => set.split(',').length < 3).length;
    });
    world.editSpec({ image: 'rdb.dev/r-db:next' });
    await world.settle();
    expect(deleted).to.deep.equal(['demo-2', 'demo-1', 'demo-0']);
    expect(unwhole).to.equal(0);
    expect(world.reasonOf('Ready')).to.equal('Ready');
    expect(world.eventReasons()).not.to.include('ShardsReset');
    const generations = world
      .list(RESOURCES.Lease)
      .map(({ metadata }) => metadata.annotations?.['rdb.dev/generation'] ?? '1');
    expect(new Set(generations)).to.deep.equal(new Set(['1']));
  });

  it('waits while a copy catches up, and says of which shards', async () => {
    const deleted = deletions();
    world.editSpec({ image: 'rdb.dev/r-db:next' });
    await world.reconcile();
    world.kubernetes.act();
    await world.reconcile();
    world.kubernetes.stuck.add('demo-2');
    await world.settle();
    expect(deleted).to.deep.equal(['demo-2']);
    expect(world.condition('Progressing')).to.include({ reason: 'ReplacingNodes' });
    expect(world.condition('Progressing')?.message).to.match(/demo-0, demo-1; first all copies/);
    world.kubernetes.stuck.clear();
    await world.settle();
    expect(deleted).to.deep.equal(['demo-2', 'demo-1', 'demo-0']);
  });

  it('takes first who leads least', async () => {
    const deleted = deletions();
    for (const shard of [0, 1, 2]) {
      world.edit(RESOURCES.Lease, `demo-shard-${shard}`, (lease) => ({
        ...lease,
        metadata: {
          ...lease.metadata,
          annotations: {
            ...lease.metadata.annotations,
            'rdb.dev/assignment': 'demo-2,demo-1,demo-0',
          },
        },
      }));
    }
    await world.settle();
    world.editSpec({ image: 'rdb.dev/r-db:next' });
    await world.reconcile();
    await world.reconcile();
    world.kubernetes.act();
    await world.reconcile();
    expect(deleted).to.deep.equal(['demo-0']);
  });

  it('mends a mistake though the broken node is in no set', async () => {
    world.kubernetes.broken.add('demo-2');
    world.editSpec({ image: 'rdb.dev/r-db:broken' });
    await world.settle();
    world.kubernetes.broken.clear();
    const deleted = deletions();
    world.editSpec({ image: 'rdb.dev/r-db:test' });
    await world.settle();
    expect(deleted).to.deep.equal(['demo-2']);
    expect(world.reasonOf('Ready')).to.equal('Ready');
  });

  it('lets one pod go at a time, and another where a node that is not ready is not missed', async () => {
    const most = () => world.get(RESOURCES.PodDisruptionBudget, 'demo').spec?.['maxUnavailable'];
    world.editSpec({ replicationFactor: 2 });
    await world.settle();
    world.kubernetes.broken.add('demo-2');
    await world.settle();
    expect(most()).to.equal(1);
    for (const { metadata } of world.list(RESOURCES.Lease)) {
      if (metadata.annotations?.['rdb.dev/assignment'] === undefined) continue;
      world.edit(RESOURCES.Lease, metadata.name, (lease) => ({
        ...lease,
        metadata: {
          ...lease.metadata,
          annotations: { ...lease.metadata.annotations, 'rdb.dev/assignment': 'demo-0,demo-1' },
        },
      }));
    }
    await world.settle();
    expect(most()).to.equal(2);
    world.kubernetes.broken.clear();
    await world.settle();
    expect(most()).to.equal(1);
  });
});
