/**
 * Whole clusters of cores under random faults, on virtual time. A failure names its seed:
 * `FIRST_SEED=<seed> SEEDS=1 npx mocha node/replication/random.test.ts` runs it again.
 */
import type { MemoryFault, MemoryRequest } from '@r-db/leases/memory.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { seededRandom } from './core/backoff.ts';
import { FakeCluster } from './testing/fake-cluster.ts';

const seeds = Number(process.env['SEEDS'] ?? 40);
const firstSeed = Number(process.env['FIRST_SEED'] ?? 1);

interface Counts {
  resets: number;
  failovers: number;
  unresolved: number;
  lost: number;
}

describe('replication hosts under random faults', () => {
  it('lead at most once an epoch, claim nobody else’s data, and recover', async function () {
    this.timeout(60_000 + seeds * 1_000);
    const counts: Counts = { resets: 0, failovers: 0, unresolved: 0, lost: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      try {
        await runSeed(seed, counts);
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    // A run in which nothing went wrong would show nothing.
    if (seeds >= 20) {
      expect(counts.resets).to.be.above(10);
      expect(counts.unresolved).to.be.above(100);
      expect(counts.lost).to.be.above(5);
    }
  });
});

async function runSeed(seed: number, counts: Counts): Promise<void> {
  const random = seededRandom(seed);
  const pick = <T>(values: readonly T[]): T | undefined =>
    values[Math.floor(random() * values.length)];
  const cluster = new FakeCluster({ shards: 4, nodes: 3, random });
  const { leases } = cluster;
  leases.setFault((request) => randomFault(request, random, counts));
  for (const name of cluster.nodes) cluster.start(name);

  for (let step = 0; step < 60; step++) {
    await cluster.advance(random() * 600);
    const dice = random();
    const victim = pick(cluster.running);
    if (dice < 0.15 && victim !== undefined) {
      // A container that died and is started again by the kubelet, in the same pod.
      await cluster.kill(victim);
      if (!victim.orphan) cluster.start(victim.name, victim.podUid);
    } else if (dice < 0.22 && victim !== undefined && !victim.orphan) {
      // A pod deleted by force: its process may live on beside the new one.
      if (random() < 0.5) victim.orphan = true;
      else await cluster.kill(victim);
      cluster.start(victim.name);
    } else if (dice < 0.3 && victim !== undefined) {
      await cluster.stop(victim, random() * 3_000);
      if (!victim.orphan) cluster.start(victim.name);
    } else if (dice < 0.34) {
      cluster.deleteLease(Math.floor(random() * cluster.shards));
      counts.lost++;
    } else if (dice < 0.44) {
      leases.breakWatches({ staleChanges: Math.floor(random() * 12) });
    } else if (dice < 0.5) {
      leases.setOutage(random() < 0.5 ? 'frozen' : 'refusing', pick(cluster.running)?.self ?? '*');
    } else if (dice < 0.6) {
      for (const { self } of cluster.running) leases.setOutage('none', self);
    } else if (dice < 0.95) {
      cluster.operate();
    }
  }

  leases.setFault(() => undefined);
  leases.setOutage('none');
  for (const node of cluster.running) {
    leases.setOutage('none', node.self);
    if (node.orphan) await cluster.kill(node);
  }
  for (const name of cluster.nodes) {
    if (cluster.nodeOf(name) === undefined) cluster.start(name);
  }
  // Requests that the faults delayed still arrive; watches list anew.
  for (let pass = 0; pass < 20; pass++) {
    if (pass === 8) leases.breakWatches();
    await cluster.advance(3_000);
    cluster.operate();
  }
  await cluster.advance(10_000);

  for (let shard = 0; shard < cluster.shards; shard++) {
    const content = cluster.content(shard);
    const leaders = cluster.leadersOf(shard).map(({ self }) => self);
    const named = content?.leader && `${content.leader.node}/${content.leader.incarnation}`;
    expect(leaders, `${cluster.trace.join('\n')}\nleaders of shard ${shard}`).to.deep.equal([
      named,
    ]);
    if ((content?.generation ?? 1) > 1) counts.resets++;
    if (content?.lastFailover !== undefined) counts.failovers++;
  }
  for (const node of cluster.running) await cluster.kill(node);
}

function randomFault(
  { verb }: MemoryRequest,
  random: () => number,
  counts: Counts,
): MemoryFault | undefined {
  const dice = random();
  if (verb === 'event') return { replyDelayMs: dice < 0.3 ? random() * 2_000 : 0 };
  if (verb === 'watch') return { staleChanges: dice < 0.4 ? Math.floor(random() * 12) : 0 };
  if (dice > 0.4) return { requestDelayMs: random() * 20, replyDelayMs: random() * 20 };
  counts.unresolved++;
  if (dice < 0.08) return { lose: 'reply' };
  if (dice < 0.12) return { lose: 'request' };
  // Beyond the deadline: it takes effect when nobody reckons with it any more.
  if (dice < 0.22) return { requestDelayMs: random() * 12_000 };
  if (dice < 0.28) return { replyDelayMs: random() * 8_000 };
  if (dice < 0.32) return { code: 500, applied: random() < 0.5 };
  const codes = [403, 409, 422, 429] as const;
  const code = codes[Math.floor(random() * codes.length)];
  return code === undefined ? undefined : { code };
}
