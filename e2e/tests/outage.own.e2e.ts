/** The API server is away, or forgets what it was told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { continueApiServer, stopApiServer } from '../cluster/access.ts';
import { until } from '../cluster/run.ts';
import { type Access, quantiles, resumedMs, successEnds } from '../history/figures.ts';
import { msBetween, nowNs } from '../history/operation.ts';
import { ownCluster, testEnvironment } from '../support/environment.ts';
import { againWithinMs, requireThree } from '../support/fault-clusters.ts';
import { kubectl } from '../support/kubectl.ts';
import { signalPod } from '../support/pods.ts';
import { appendFigures, type FaultCluster, Scene } from '../support/scene.ts';
import { readFirstShard } from '../support/shards.ts';

/** First alone, then with a leader killed in it: one outage for both, since a minute is long in CI. */
const aloneMs = 60_000;
const withoutLeaderMs = 20_000;
/** So that what the kill interrupts does not count for the time before. */
const apartMs = 1_000;
/** While nothing but the API server is away, nobody notices: less than a failover takes. */
const quietMs = testEnvironment().promiseMs;
/** For which it has answered without a failure when it counts as back. */
const steadyMs = 3_000;
/** No answer for so long counts as a failure. */
const answerMs = 1_000;
/** After its return the operator makes a Lease anew. */
const newLeaseMs = 60_000;

/**
 * When it gave the first answer after which it fails none: after so long a stop it answers some requests, then makes
 * its own connections anew and answers nothing for seconds.
 */
async function answersNs({ namespace, name }: FaultCluster): Promise<bigint> {
  let sinceNs: bigint | undefined;
  await until('the API server answers all the time', newLeaseMs, async () => {
    try {
      await readFirstShard(namespace, name, answerMs);
      sinceNs ??= nowNs();
      return msBetween(sinceNs, nowNs()) > steadyMs;
    } catch (error) {
      sinceNs = undefined;
      return (error as Error).message;
    }
  });
  if (sinceNs === undefined) throw new Error('it answers since no time');
  return sinceNs;
}

describe('the API server is away', function outage() {
  this.timeout(300_000);
  let three: FaultCluster;
  before(async () => {
    three = await requireThree();
  });
  after(() => continueApiServer(ownCluster()));

  it('for 60 s: everything goes on until a leader is killed, and again after its return', async () => {
    let returnedNs = 0n;
    const alone = await Scene.play(
      'API server stopped for 60 s, then a leader killed',
      three,
      async (scene) => {
        const before = await scene.shards();
        const pod = await scene.leadingPod();
        const { name } = pod.metadata;
        stopApiServer(ownCluster());
        try {
          await scene.strike([], () => sleep(aloneMs), before);
          await sleep(apartMs);
          const killedIn = scene.strike(
            [name],
            async () => {
              signalPod(pod, 'SIGKILL');
              await sleep(withoutLeaderMs);
              continueApiServer(ownCluster());
              returnedNs = await answersNs(three);
              await scene.without([name], before);
            },
            before,
          );
          await killedIn;
        } finally {
          continueApiServer(ownCluster());
        }
        await scene.whole();
      },
    );
    const nothing = alone.figures.get('nothing');
    expect(nothing?.reads.maxMs, 'reads while it is away').to.be.below(quietMs);
    expect(nothing?.writes.maxMs, 'writes while it is away').to.be.below(quietMs);
    const resumed = (access: Access) =>
      quantiles(
        Array.from({ length: three.shards }, (_, shard) => {
          const ms = resumedMs(successEnds(alone.history, { shard, access }), returnedNs);
          return ms ?? Number.POSITIVE_INFINITY;
        }),
      );
    const [reads, writes] = [resumed('reads'), resumed('writes')];
    const shards = 'a replica, from its return on';
    appendFigures({ rows: [{ fault: alone.title, shards, reads, writes }], histories: [] });
    expect(reads.maxMs, 'reads after its return').to.be.below(againWithinMs);
    expect(writes.maxMs, 'writes after its return').to.be.below(againWithinMs);
  });

  it('a Lease that is deleted by hand: its leader leads on, and it comes again', async () => {
    const findings = await Scene.play('Lease of a shard deleted', three, async (scene) => {
      const before = await scene.shards();
      const [old] = before;
      await scene.strike([], async () => {
        await kubectl('delete', 'lease', '-n', three.namespace, `${three.name}-shard-0`);
        await until('there is a Lease again, with a leader', newLeaseMs, async () => {
          await sleep(300);
          const now = (await scene.shards()).find(({ shard }) => shard === 0);
          return now?.leader !== undefined && now.epoch > (old?.epoch ?? 0);
        });
      });
      const now = (await scene.shards()).find(({ shard }) => shard === 0);
      expect(now?.generation, 'no data was lost').to.equal(old?.generation);
      await scene.whole();
    });
    for (const { reads, writes } of findings.figures.values()) {
      expect(reads.maxMs).to.be.below(againWithinMs);
      expect(writes.maxMs).to.be.below(againWithinMs);
    }
  });
});
