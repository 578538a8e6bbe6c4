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
