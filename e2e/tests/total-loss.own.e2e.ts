/** Every copy is gone at once. Nothing can be there any more: what counts is that nothing wrong is served. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import { until } from '../cluster/run.ts';
import { nowNs, type Operation } from '../history/operation.ts';
import { nodePods } from '../support/demo.ts';
import { requireThree } from '../support/fault-clusters.ts';
import { kubectl } from '../support/kubectl.ts';
import { signalPod } from '../support/pods.ts';
import { type FaultCluster, Scene, whole } from '../support/scene.ts';
import type { Shard } from '../support/shards.ts';

/** Long enough for the nodes to restart and to do something that they should not. */
const heldMs = 15_000;
const againMs = 90_000;

describe('every node dies at once', function totalLoss() {
  this.timeout(240_000);
  let three: FaultCluster;
  before(async () => {
    three = await requireThree();
  });

  const killAll = async () => {
    for (const pod of await nodePods(three.namespace, three.name)) signalPod(pod, 'SIGKILL');
  };
  const patch = (totalLoss: string) => {
    const spec = JSON.stringify({ spec: { failover: { totalLoss } } });
    return kubectl('patch', 'rdb', three.name, '-n', three.namespace, '--type=merge', '-p', spec);
  };
  const startedAnew = (scene: Scene, old: readonly Shard[]) =>
    until('every shard starts anew', againMs, async () => {
      await sleep(300);
      const now = await scene.shards();
      return now.every(
        ({ leader, generation }, index) =>
          leader !== undefined && generation > (old[index]?.generation ?? 0),
      );
    });

  it('Hold: nothing is served until a person accepts the loss', async () => {
    let killedNs = 0n;
    let old: readonly Shard[] = [];
    const findings = await Scene.play(
      'SIGKILL of all nodes, totalLoss: Hold',
      three,
      async (scene) => {
        old = await scene.shards();
        await killAll();
        killedNs = nowNs();
        await sleep(heldMs);
        const now = await scene.shards();
        expect(now.map(({ generation }) => generation)).to.deep.equal(
          old.map(({ generation }) => generation),
        );
      },
      { finalReads: false },
    );
    const served = findings.history.filter(
      (one) => one.outcome === 'ok' && begunAfter(killedNs, one),
    );
    expect(served.map(({ key, kind }) => `${kind} ${key}`)).to.deep.equal([]);
    const told = async () =>
      await kubectl('get', 'rdb', three.name, '-n', three.namespace, '-o', 'yaml');
    await until('the cluster says what it waits for', againMs, async () =>
      /DataLossHeld/.test(await told()),
    );
    const shards = old.map(({ shard }) => shard).join(',');
    const order = `rdb.dev/accept-data-loss=${shards}`;
    await kubectl('annotate', 'rdb', three.name, '-n', three.namespace, order);
    await whole(three);
  });

  it('Reset: the next generation starts, empty, and it is told', async () => {
    await patch('Reset');
    const findings = await Scene.play(
      'SIGKILL of all nodes, totalLoss: Reset',
      three,
      async (scene) => {
        await sleep(2_000); // the nodes read their configuration anew
        const old = await scene.shards();
        const killedNs = nowNs();
        await killAll();
        await startedAnew(scene, old);
        scene.endHistory(killedNs);
        await scene.whole();
      },
      { finalReads: false },
    );
    expect(findings.history.length).to.be.above(0);
    await until('an Event tells the loss', againMs, async () =>
      /Warning +ShardsReset/.test(
        await kubectl('events', '-n', three.namespace, '--for', `rdb/${three.name}`),
      ),
    );
    await patch('Hold');
  });
});

const begunAfter = (ns: bigint, { startNs }: Operation): boolean => BigInt(startNs) > ns;
