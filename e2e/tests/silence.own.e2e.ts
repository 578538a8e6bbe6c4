/** Nodes that live and are not heard: stopped, or cut off everything, the API server, or their peers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { after, afterEach, before, describe, it } from 'mocha';
import { cut, heal } from '../cluster/faults.ts';
import { nodePods } from '../support/demo.ts';
import { testEnvironment } from '../support/environment.ts';
import { againWithinMs, requireThree } from '../support/fault-clusters.ts';
import { kubectl } from '../support/kubectl.ts';
import { type Pod, signalPod } from '../support/pods.ts';
import { type FaultCluster, type Findings, Scene, settled } from '../support/scene.ts';
import { ledBy } from '../support/shards.ts';

/** Long enough for every promise to run out several times; the node's connections stay open meanwhile. */
const silentMs = 10_000;
/** For faults that must disturb nobody: less than a failover takes. */
const quietMs = testEnvironment().promiseMs;

describe('nodes that fall silent', function nodesThatFallSilent() {
  this.timeout(150_000);
  let three: FaultCluster;
  before(async () => {
    three = await requireThree();
  });
  afterEach(async () => {
    await heal();
    for (const pod of await nodePods(three.namespace, three.name)) signalPod(pod, 'SIGCONT');
  });
  after(() => kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'nodes', '--all'));

  /** A node that leads is silenced for a while; by its end others lead, or, if nobody is to notice, it still does. */
  const silence = (
    title: string,
    begin: (pod: Pod) => Promise<void> | void,
    { end = heal, noticed = true }: { end?: typeof begin; noticed?: boolean } = {},
  ): Promise<Findings> =>
    Scene.play(title, three, async (scene) => {
      const pod = await scene.leadingPod();
      const { name } = pod.metadata;
      await scene.strike([name], async (before) => {
        await begin(pod);
        await sleep(silentMs);
        const led = ledBy(await scene.shards(), name);
        expect(led, `shards that ${name} leads after ${title}`).to.equal(
          noticed ? 0 : ledBy(before, name),
        );
        await end(pod);
        await scene.whole();
      });
    });
  /** Of pods, not of their hosts: another cluster's nodes on them would fail over, too, and take the processors. */
  const cutFromPeers = async (pod: Pod, way: 'both' | 'out' | 'in'): Promise<void> => {
    const from = pod.status.podIP;
    for (const { metadata, status } of await nodePods(three.namespace, three.name)) {
      if (metadata.name === pod.metadata.name) continue;
      if (way === 'in') await cut(status.podIP, from, { oneWay: true });
      else await cut(from, status.podIP, { oneWay: way === 'out' });
    }
  };

  it('a leader that is stopped for 10 s', async () => {
    const findings = await silence(
      'SIGSTOP of a leader for 10 s',
      (pod) => signalPod(pod, 'SIGSTOP'),
      { end: (pod) => signalPod(pod, 'SIGCONT') },
    );
    expectBelow(findings, againWithinMs);
  });

  it('a leader that is cut off everything for 10 s', async () => {
    const findings = await silence('network of a leader cut for 10 s', ({ status }) =>
      cut(status.podIP, 'all'),
    );
    expectBelow(findings, againWithinMs);
  });

  it('a leader that is cut off the API server for 10 s: nobody notices', async () => {
    // A hand-over whose fate its leader can't learn would be noticed.
    await settled(three);
    const findings = await silence(
      'way to the API server cut for 10 s',
      ({ spec }) => cut(spec.nodeName, 'api'),
      { noticed: false },
    );
    expectBelow(findings, quietMs);
  });

  it('a leader that is cut off its peers for 10 s', async () => {
    await silence('way to the peers cut for 10 s', (pod) => cutFromPeers(pod, 'both'));
  });

  it('a leader that its peers do not hear for 10 s', async () => {
    await silence('way to the peers cut one way (leader not heard) for 10 s', (pod) =>
      cutFromPeers(pod, 'out'),
    );
  });

  it('a leader that does not hear its peers for 10 s', async () => {
    await silence('way to the peers cut one way (leader deaf) for 10 s', (pod) =>
      cutFromPeers(pod, 'in'),
    );
  });
});

function expectBelow({ figures }: Findings, ms: number): void {
  for (const [role, { reads, writes }] of figures) {
    expect(reads.maxMs, `reads of shards that lost ${role}`).to.be.below(ms);
    expect(writes.maxMs, `writes of shards that lost ${role}`).to.be.below(ms);
  }
}
