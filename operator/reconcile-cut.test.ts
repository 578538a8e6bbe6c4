/** An operator that dies between any two of its writes: what stands in the end is the same. Apart, for it takes long. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { normalized, World } from './testing/world.ts';

describe('a reconcile that is cut off', () => {
  /** What stands in the end, whatever happened on the way: nothing that differs by time or order. */
  async function endOf(
    cutAt: number,
    how: 'before' | 'after',
    prepare: (world: World) => Promise<void>,
  ): Promise<[string, number]> {
    const world = await World.start();
    try {
      await prepare(world);
      let writes = 0;
      let dead = false;
      world.api.setFault(({ verb }) => {
        if (dead) return { cut: 'before' };
        if (['get', 'list', 'watch'].includes(verb)) return undefined;
        dead = ++writes === cutAt;
        return dead ? { cut: how } : undefined;
      });
      for (let round = 0; round < 8 && !dead; round++) {
        await world.reconcile().catch(() => {});
        if (!dead) world.kubernetes.act();
      }
      world.api.setFault(() => undefined);
      if (dead) {
        world.restartOperator();
        world.kubernetes.act();
      }
      await world.settle();
      expect(world.reasonOf('Ready'), `cut at ${cutAt}`).to.equal('Ready');
      return [JSON.stringify(endState(world)), writes];
    } finally {
      await world[Symbol.asyncDispose]();
    }
  }

  function endState(world: World): unknown {
    const kinds = Object.values(RESOURCES).filter(({ kind }) => kind !== 'Event');
    return [
      ...kinds.flatMap((resource) => world.list(resource).map(normalized)),
      world.eventReasons(),
    ];
  }

  const scenarios = {
    'a cluster that is made': async (world: World) => {
      world.create({ nodes: 2, shards: 2 });
    },
    'a cluster that gets more copies': async (world: World) => {
      world.create({ nodes: 2, shards: 2 });
      await world.settle();
      world.editSpec({ replicationFactor: 2, minInSyncReplicas: 2 });
    },
    'a cluster that gets fewer copies': async (world: World) => {
      world.create({ nodes: 2, shards: 2, replicationFactor: 2 });
      await world.settle();
      world.editSpec({ replicationFactor: 1 });
    },
  };

  for (const [name, prepare] of Object.entries(scenarios)) {
    // What differs is how a half-made cluster looks; changes of one that runs are cut after their effect.
    const ways =
      name === 'a cluster that is made' ? (['before', 'after'] as const) : ['after' as const];
    for (const how of ways) {
      it(`of ${name} ends the same wherever it was cut ${how} the effect of a write`, async function () {
        this.timeout(60_000);
        const [whole, writes] = await endOf(Number.POSITIVE_INFINITY, how, prepare);
        expect(writes).to.be.above(3);
        for (let cutAt = 1; cutAt <= writes; cutAt++) {
          const [end] = await endOf(cutAt, how, prepare);
          expect(end, `cut at write ${cutAt} of ${writes}`).to.equal(whole);
        }
      });
    }
  }
});
