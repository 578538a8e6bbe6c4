/** What becomes of shards with one copy, and of the operator, when processes end. */
import { expect } from 'chai';
import { after, before, beforeEach, describe, it } from 'mocha';
import { until } from '../cluster/run.ts';
import { makeCluster, nodeHost, nodePods } from '../support/demo.ts';
import { deleteNamespace, getItems, kubectl, makeNamespace, wait } from '../support/kubectl.ts';
import { operatorNamespace, operatorPods, requireOperator } from '../support/operator.ts';
import { getPod, type Pod, signalPod } from '../support/pods.ts';
import { Traffic } from '../support/traffic.ts';

const namespace = 'e2e-faults';
const name = 'tough';
const shards = 12;
const hosts = [0, 1, 2].map((ordinal) => nodeHost(namespace, name, ordinal));
const againMs = 60_000;

interface ShardLease {
  readonly metadata: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly holderIdentity?: string; readonly leaseTransitions: number };
}

describe('one copy', function oneCopy() {
  this.timeout(3 * 60_000);

  before(async () => {
    await requireOperator();
    await makeNamespace(namespace);
    await makeCluster(namespace, name, { shards, replicationFactor: 1 });
  });
  after(() => deleteNamespace(namespace));
  beforeEach(() => ready());

  const ready = () => wait('condition=Ready', againMs / 1000, '-n', namespace, `rdb/${name}`);
  const leases = () =>
    getItems<ShardLease>(
      ...['leases', '-n', namespace, '-l', `rdb.dev/cluster=${name},rdb.dev/kind=Shard`],
    );
  const restarts = async () =>
    (await nodePods(namespace, name)).map(
      ({ metadata, status }) => `${metadata.uid} ${status.containerStatuses?.[0]?.restartCount}`,
    );
  const newOperator = async (old: readonly Pod[]) => {
    const uids = old.map(({ metadata }) => metadata.uid);
    await until('there is a new operator', againMs, async () =>
      (await operatorPods()).some(
        ({ metadata, status }) =>
          !uids.includes(metadata.uid) && status.containerStatuses?.every((each) => each.ready),
      ),
    );
  };

  it('an operator that is killed changes nothing for the data, and comes again', async () => {
    const before = await restarts();
    const versions = (await leases()).map(({ spec }) => spec.leaseTransitions);
    const traffic = new Traffic(hosts, { keys: 20 });
    const [operator] = await operatorPods();
    if (operator === undefined) throw new Error('the operator has no pod');
    signalPod(operator, 'SIGKILL');
    const restarted = async () => {
      const pod = await getPod(operatorNamespace, operator.metadata.name);
      const [status] = pod.status.containerStatuses ?? [];
      const old = operator.status.containerStatuses?.[0]?.restartCount ?? 0;
      return status?.ready === true && status.restartCount > old;
    };
    await until('the operator serves again', againMs, restarted);
    const report = await traffic.stop();
    expect(report.errors).to.deep.equal([]);
    expect(report.wrong).to.deep.equal([]);
    expect(report.operations).to.be.above(100);
    expect(await restarts()).to.deep.equal(before);
    expect((await leases()).map(({ spec }) => spec.leaseTransitions)).to.deep.equal(versions);
  });

  it('an operator that restarts while the spec changes carries the change out', async () => {
    const old = await operatorPods();
    const label = `${Date.now()}`;
    const patch = JSON.stringify({ spec: { podMetadata: { labels: { turn: label } } } });
    const deleted = kubectl(
      ...['delete', 'pod', '-n', operatorNamespace, '--wait=false'],
      ...old.map(({ metadata }) => metadata.name),
    );
    await kubectl('patch', 'rdb', name, '-n', namespace, '--type=merge', '-p', patch);
    await deleted;
    const before = await restarts();
    await newOperator(old);
    await until('the pods have the label', againMs, async () =>
      (await nodePods(namespace, name)).every(
        ({ metadata }) => metadata.labels?.['turn'] === label,
      ),
    );
    // Labels are patched on live pods: none was made anew for them.
    expect(await restarts()).to.deep.equal(before);
  });

  it('a node whose process dies comes again; its shards start empty and it is told', async () => {
    const pod = await getPod(namespace, `${name}-1`);
    const own = (await leases()).filter(
      ({ metadata }) => metadata.annotations['rdb.dev/assignment'] === `${name}-1`,
    );
    expect(own.length).to.equal(shards / 3);
    signalPod(pod, 'SIGKILL');
    const again = async () => {
      const now = await leases();
      return own.every(({ metadata: old }) => {
        const lease = now.find(({ metadata }) => metadata.name === old.name);
        const before = Number(old.annotations['rdb.dev/generation']);
        return (
          Number(lease?.metadata.annotations['rdb.dev/generation']) > before &&
          lease?.spec.holderIdentity?.startsWith(`${name}-1/`) === true
        );
      });
    };
    await until('its shards are led again, in a new generation', againMs, again);
    await ready();
    const after = await getPod(namespace, `${name}-1`);
    expect(after.metadata.uid).to.equal(pod.metadata.uid);
    await until('an Event tells the loss', againMs, async () =>
      /Warning +ShardsReset/.test(await kubectl('events', '-n', namespace, '--for', `rdb/${name}`)),
    );
  });

  it('a pod that is deleted comes again as another; the others serve on', async () => {
    const before = await getPod(namespace, `${name}-2`);
    await kubectl('delete', 'pod', '-n', namespace, `${name}-2`, '--wait=false');
    await until('there is another pod', againMs, async () => {
      const pods = await nodePods(namespace, name);
      const pod = pods.find(({ metadata }) => metadata.name === `${name}-2`);
      return (
        pod !== undefined &&
        pod.metadata.uid !== before.metadata.uid &&
        pod.status.containerStatuses?.[0]?.ready === true
      );
    });
    await ready();
    const traffic = new Traffic(hosts, { keys: 20 });
    await until('keys are written again', againMs, () => traffic.operations > 500);
    const report = await traffic.stop();
    expect(report.errors).to.deep.equal([]);
    expect(report.wrong).to.deep.equal([]);
  });
});
