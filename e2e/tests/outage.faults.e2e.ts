/** The API server is away, or forgets what it was told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { continueApiServer, stopApiServer } from '../cluster/access.ts';
import { until } from '../cluster/run.ts';
import { resumedMs, successEnds } from '../history/figures.ts';
import { nowNs } from '../history/operation.ts';
import { ownCluster, testEnvironment } from '../support/environment.ts';
import { againWithinMs, requireThree } from '../support/fault-clusters.ts';
import { kubectl } from '../support/kubectl.ts';
import { signalPod } from '../support/pods.ts';
import { type FaultCluster, Scene } from '../support/scene.ts';

/** First alone, then with a leader killed in it: one outage for both, since a minute is long in CI. */
const aloneMs = 30_000;
const withoutLeaderMs = 30_000;
/** While nothing but the API server is away, nobody notices: less than a failover takes. */
const quietMs = testEnvironment().promiseMs;
/** After its return the operator makes a Lease anew. */
const newLeaseMs = 60_000;

describe('the API server is away', function outage() {
  this.timeout(240_000);
  let three: FaultCluster;
  before(async () => {
    three = await requireThree();
  });
  after(() => continueApiServer(ownCluster()));

  it('for 60 s: everything goes on until a leader is killed, and again after its return', async () => {
    let returnedNs = 0n;
    const alone = await Scene.play('API server stopped for 30 s', three, async (scene) => {
      const before = await scene.shards();
      const pod = await scene.leadingPod();
      const { name } = pod.metadata;
      stopApiServer(ownCluster());
      try {
        await scene.strike([], () => sleep(aloneMs), before);
        const killedIn = scene.strike(
          [name],
          async () => {
            signalPod(pod, 'SIGKILL');
            await sleep(withoutLeaderMs);
            continueApiServer(ownCluster());
            returnedNs = nowNs();
            await scene.without([name], before);
          },
          before,
        );
        await killedIn;
      } finally {
        continueApiServer(ownCluster());
      }
      await scene.whole();
    });
    const nothing = alone.figures.get('nothing');
    expect(nothing?.reads.maxMs, 'reads while it is away').to.be.below(quietMs);
    expect(nothing?.writes.maxMs, 'writes while it is away').to.be.below(quietMs);
    for (let shard = 0; shard < three.shards; shard++) {
      for (const access of ['reads', 'writes'] as const) {
        const ends = successEnds(alone.history, { shard, access });
        const text = `${access} of shard ${shard} after its return`;
        expect(resumedMs(ends, returnedNs), text).to.be.below(againWithinMs);
      }
    }
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
