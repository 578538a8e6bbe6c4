/** What belongs to a cluster goes with it; what does not is never touched. */
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { until } from '../cluster/run.ts';
import { demoObject, makeCluster } from '../support/demo.ts';
import {
  apply,
  type Condition,
  deleteNamespace,
  getItems,
  getJson,
  kubectl,
  makeNamespace,
  wait,
} from '../support/kubectl.ts';
import { requireOperator } from '../support/operator.ts';

const namespace = 'e2e-deletion';
const kinds = 'statefulset,pod,service,configmap,serviceaccount,role,rolebinding,pdb,lease';
const goneMs = 60_000;
const toldMs = 30_000;

describe('deletion, and objects of others', function deletion() {
  this.timeout(2 * 60_000);

  before(async () => {
    await requireOperator();
    await makeNamespace(namespace);
  });
  after(() => deleteNamespace(namespace));

  const belongings = (cluster: string) =>
    getItems(kinds, '-n', namespace, '-l', `rdb.dev/cluster=${cluster}`);
  const removed = (cluster: string) =>
    until('everything is gone', goneMs, async () => {
      const left = await belongings(cluster);
      return (
        left.length === 0 ||
        `left: ${left.map(({ kind, metadata }) => `${kind} ${metadata?.name}`).join(', ')}`
      );
    });

  it('removes everything that was made for a cluster', async () => {
    await makeCluster(namespace, 'brief', { shards: 4 });
    expect((await belongings('brief')).length).to.be.above(10);
    await kubectl('delete', 'rdb', 'brief', '-n', namespace, '--timeout=60s');
    await removed('brief');
  });

  it('leaves a foreign object alone, and says which one is in the way', async () => {
    const foreign = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'taken', namespace, labels: { mine: 'yes' } },
      spec: { selector: { app: 'mine' }, ports: [{ port: 80 }] },
    };
    await apply(foreign);
    const before = await kubectl('get', 'service', 'taken', '-n', namespace, '-o', 'json');
    const object = demoObject();
    await apply({ ...object, metadata: { name: 'taken', namespace }, spec: { shards: 4 } });
    const degraded = async () => {
      const { status } = await getJson<{ status?: { conditions?: Condition[] } }>(
        ...['rdb', 'taken', '-n', namespace],
      );
      return status?.conditions?.find(({ type }) => type === 'Degraded');
    };
    await until(
      'the condition names the object',
      toldMs,
      async () => (await degraded())?.reason === 'ForeignObject',
    );
    expect((await degraded())?.message).to.match(/Service.*taken/);
    expect(await kubectl('get', 'service', 'taken', '-n', namespace, '-o', 'json')).to.equal(
      before,
    );
    const events = await kubectl('events', '-n', namespace, '--for', 'rdb/taken');
    expect(events).to.match(/Warning +ForeignObject/);

    // Out of the way, and the cluster goes on by itself.
    await kubectl('delete', 'service', 'taken', '-n', namespace);
    await wait('condition=Ready', 60, '-n', namespace, 'rdb/taken');
    await kubectl('delete', 'rdb', 'taken', '-n', namespace, '--timeout=60s');
    await removed('taken');
  });
});
