/** Nodes that die, alone, together, with the operator, and that are asked to go. */
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import { testEnvironment } from '../support/environment.ts';
import { againWithinMs, requireFive, requireThree } from '../support/fault-clusters.ts';
import { kubectl, wait } from '../support/kubectl.ts';
import { operatorPods } from '../support/operator.ts';
import { signalPod } from '../support/pods.ts';
import { type FaultCluster, type Findings, Scene } from '../support/scene.ts';

const { kills } = testEnvironment();
/** For one kill: a failover, a restart, catching up. */
const killMs = 30_000;

describe('nodes that die', function nodesThatDie() {
  this.timeout((kills + 4) * killMs);
  let three: FaultCluster;
  before(async () => {
    three = await requireThree();
  });

  it(`a leader is killed, ${kills} times`, async () => {
    const findings = await Scene.play(
      `SIGKILL of a leader, ${kills} times`,
      three,
      async (scene) => {
        for (let turn = 0; turn < kills; turn++) {
          const pod = await scene.leadingPod();
          const { name } = pod.metadata;
          await scene.strike([name], async (before) => {
            signalPod(pod, 'SIGKILL');
            await scene.without([name], before);
          });
          await scene.whole();
        }
      },
    );
    expectAgain(findings);
  });

  it('the operator is killed with a leader', async () => {
    const findings = await Scene.play('SIGKILL of operator and leader', three, async (scene) => {
      const [operator] = await operatorPods();
      if (operator === undefined) throw new Error('the operator has no pod');
      const pod = await scene.leadingPod();
      const { name } = pod.metadata;
      await scene.strike([name], async (before) => {
        signalPod(operator, 'SIGKILL');
        signalPod(pod, 'SIGKILL');
        await scene.without([name], before);
      });
      await scene.whole();
    });
    expectAgain(findings);
  });

  it('a leader is deleted: leadership is handed over and no operation fails', async () => {
    const findings = await Scene.play('kubectl delete pod of a leader', three, async (scene) => {
      const { metadata } = await scene.leadingPod();
      await scene.strike([metadata.name], async (before) => {
        await kubectl('delete', 'pod', '-n', three.namespace, metadata.name);
        await scene.without([metadata.name], before);
      });
      await wait('condition=Ready', 60, '-n', three.namespace, `rdb/${three.name}`);
      await scene.whole();
    });
    const failures = findings.history.filter(({ outcome }) => outcome !== 'ok');
    expect(failures.map(({ process, kind, error }) => `${process} ${kind} ${error}`)).to.deep.equal(
      [],
    );
    expectAgain(findings);
  });

  it('two of five leaders are killed at once', async () => {
    const five = await requireFive();
    const title = 'SIGKILL of two of five nodes at once';
    const findings = await Scene.play(title, five, async (scene) => {
      const pods = (await scene.byLeadership()).slice(0, 2);
      const names = pods.map(({ metadata }) => metadata.name);
      await scene.strike(names, async (before) => {
        for (const pod of pods) signalPod(pod, 'SIGKILL');
        await scene.without(names, before);
      });
      await scene.whole();
    });
    expectAgain(findings);
    await kubectl('delete', 'rdb', '-n', five.namespace, five.name, '--timeout=60s');
  });
});

function expectAgain({ figures }: Findings): void {
  for (const [role, { reads, writes }] of figures) {
    expect(reads.maxMs, `reads of shards that lost ${role}`).to.be.below(againWithinMs);
    expect(writes.maxMs, `writes of shards that lost ${role}`).to.be.below(againWithinMs);
  }
}
