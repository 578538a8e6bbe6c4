/**
 * Faults at the worst moment: as soon as a compare-and-set is stored, or has become late, somebody loses
 * its network. Random times alone would hit such moments in one run of thousands.
 */

import { nodeOf } from '../core/identity.ts';
import type { Cluster } from './cluster.ts';
import { isolate } from './faults.ts';
import type { Profile } from './profiles.ts';
import type { Stored } from './store.ts';

export function watchMoments(cluster: Cluster, profile: Profile, isOn: () => boolean): void {
  const { store, network, world } = cluster;
  const { random, clock } = world;

  store.onStored = ({ shard, before, after, cause }: Stored) => {
    if (!isOn()) return;
    if (before.leader !== after.leader && before.leader !== undefined) {
      // The old leader learns of nothing for a while, and what it knew is still good.
      const old = cluster.process(nodeOf(before.leader));
      if (old !== undefined && random() < profile.isolateDeposed) {
        isolate(cluster, old, 300 + random() * 1_500);
      }
    }
    if (random() < profile.deleteStored) {
      // Whoever wrote it may never know that it was stored; others saw it.
      clock.after(random() * 5, () => store.delete(shard));
    }
    if (cause === 'Grow' && random() < profile.isolateGrown) {
      const leader = cluster.leaderOf(shard);
      if (leader !== undefined) isolate(cluster, leader, 1_000 + random() * 3_000);
    }
  };

  store.onLate = (shard, by) => {
    if (!isOn() || random() >= profile.cutLate) return;
    // Whoever waits for it hears nothing of one of the others, or of none.
    const others = cluster.names.filter((node) => node !== by);
    const some = random() < 0.5 ? others : others.filter(() => random() < 0.5);
    world.note(() => `a request of ${by} for shard ${shard} is late; it is cut from ${some}`);
    const healing = some.flatMap((peer) => [network.cut(by, peer), network.cut(peer, by)]);
    clock.after(500 + random() * 3_500, () => {
      for (const heal of healing) heal();
    });
  };
}
