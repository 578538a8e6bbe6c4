/** What a cluster costs the API server while nothing happens: next to nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import { until } from '../cluster/run.ts';
import { auditPosition, writesSince } from '../support/audit.ts';
import { demo, nodePods, requireDemo } from '../support/demo.ts';
import { operatorUser, serviceAccountUser } from '../support/operator.ts';

/** Long enough for a renewal of every node's Lease (20 s), whenever it began. */
const idleMs = 25_000;
const quietMs = 12_000;
const settledMs = 40_000;

describe('an idle cluster', function idle() {
  this.timeout(2 * 60_000);

  before(() => requireDemo());

  it('is left alone by the operator, and its nodes only renew their Leases', async () => {
    const operator = await operatorUser();
    const [pod] = await nodePods(demo.namespace, demo.name);
    if (pod === undefined) throw new Error('the cluster has no pod');
    const node = serviceAccountUser(pod);
    await settled(operator);
    const position = auditPosition();
    await sleep(idleMs); // that nothing happens has no event to wait for
    const writes = writesSince(position).filter(({ namespace }) => namespace === demo.namespace);
    expect(writes.filter(({ user }) => user === operator)).to.deep.equal([]);
    const renewals = writes.filter(({ user }) => user === node);
    expect(new Set(renewals.map(({ object }) => object))).to.deep.equal(
      new Set([0, 1, 2].map((ordinal) => `leases/${demo.name}-node-${ordinal}`)),
    );
    expect(renewals.length).to.be.at.most(2 * demo.nodes);
    for (const { verb, code } of renewals) expect([verb, code]).to.deep.equal(['update', 200]);
  });
});

/** The figures in the status are written at most every 10 s: the last of a new cluster come late. */
async function settled(operator: string): Promise<void> {
  let quietSince = { position: auditPosition(), ms: performance.now() };
  await until('the operator has said all', settledMs, () => {
    const written = writesSince(quietSince.position).some(
      ({ user, namespace }) => user === operator && namespace === demo.namespace,
    );
    if (written) quietSince = { position: auditPosition(), ms: performance.now() };
    return performance.now() - quietSince.ms > quietMs;
  });
}
