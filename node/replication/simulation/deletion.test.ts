/**
 * A whole cluster is deleted, in any order: its Leases, the rights of its nodes, its pods; and some nodes lose their
 * connections in the middle of it. No node may wait for others until its grace ends.
 */
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { seededRandom } from '../core/backoff.ts';
import { limits } from '../core/limits.ts';
import { VirtualClock } from './clock.ts';
import { Cluster } from './cluster.ts';

const seeds = 150;
/** All that has to do with it happens within. */
const deletionMs = 400;

interface Deletion {
  readonly left: readonly string[];
  readonly endedMs: number;
}

/** Runs a cluster of three nodes and four shards for a while, deletes it, and waits for its nodes. */
function deleteCluster(seed: number, what: 'leases' | 'rights', patienceMs: number): Deletion {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const cluster = new Cluster(
    { clock, random, broken: undefined, note: () => {} },
    {
      nodes: 3,
      shards: 4,
      replicationFactor: 3,
      minInSync: 2,
      promiseMs: 1_000,
      logBytesMax: 4_096,
      datagrams: false,
      ratesApart: 0.04,
      extremeRates: false,
      sessionBounds: limits,
    },
  );
  for (const node of cluster.names) cluster.start(node);
  // From nodes that have not found each other yet to ones at rest.
  clock.runUntil(random() * 9_000);
  const startMs = clock.nowMs;
  const soon = (run: () => void) => clock.after(random() * deletionMs, run);
  if (what === 'rights') {
    soon(() => {
      cluster.store.faults.outage = 'forbidden';
    });
  } else for (const { shard } of cluster.checkers) soon(() => cluster.store.delete(shard));
  for (const process of cluster.processes) {
    soon(() => process.run(() => process.stop(() => cluster.kill(process, true))));
  }
  if (random() < 0.7) soon(() => cluster.connections.breakSome(random()));
  if (random() < 0.3) soon(() => cluster.network.cut('demo-0', 'demo-1'));
  // A watch that tells nothing any more.
  if (random() < 0.3) cluster.store.faults.watchMs = 60_000;
  while (cluster.processes.length > 0 && clock.nowMs < startMs + patienceMs) {
    clock.runUntil(clock.nowMs + 50);
  }
  if (cluster.failure !== undefined) throw cluster.failure;
  return { left: cluster.processes.map(({ self }) => self), endedMs: clock.nowMs - startMs };
}

describe('deletion of a cluster', function () {
  this.timeout(60_000);

  it('ends its nodes though their Leases are gone before them', () => {
    const patienceMs = limits.missingMost * limits.recheckMs + 3_000;
    const times = Array.from({ length: seeds }, (_, seed) => {
      const { left, endedMs } = deleteCluster(seed, 'leases', patienceMs);
      expect(left, `seed ${seed}`).to.deep.equal([]);
      return endedMs;
    }).sort((a, b) => a - b);
    expect(times[seeds >> 1], 'half of them').to.be.below(deletionMs + 500);
  });

  it('ends its nodes though their rights are gone before them', () => {
    for (let seed = 0; seed < seeds; seed++) {
      const { left } = deleteCluster(seed, 'rights', limits.recheckMs + 3_000);
      expect(left, `seed ${seed}`).to.deep.equal([]);
    }
  });
});
