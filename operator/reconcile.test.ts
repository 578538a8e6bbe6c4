import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
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
    expect(world.eventReasons()).to.deep.equal(['Available', 'Created']);
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
});
