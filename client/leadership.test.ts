import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { HAND_OVER_RETRY_MS } from './limits.ts';
import { type Client, connect, RdbError } from './mod.ts';
import { type FakeCluster, type FakeNode, startFakeCluster } from './testing/fake-cluster.ts';

describe('an order of a hand-over', () => {
  const message = 'the API server does not answer';
  let cluster: FakeCluster;
  let client: Client;
  let leader: FakeNode;

  beforeEach(async () => {
    cluster = await startFakeCluster({ nodes: 2, shards: 2 });
    leader = cluster.nodes[0] as FakeNode;
    client = await connect({ addresses: [leader.address] });
  });
  afterEach(async () => {
    await client.close();
    await cluster[Symbol.asyncDispose]();
  });

  it('is given again where the leader refused it at once', async () => {
    leader.handOverRefusals.push({ message, afterMs: 0 }, { message, afterMs: 0 });
    expect(await client.transferLeadership(0, 'fake-1')).to.equal(2);
    expect(leader.handOverRefusals).to.deep.equal([]);
  });

  it('is not given again where the leader refused it after a while: who gave it hears why', async () => {
    const refusal = { message, afterMs: HAND_OVER_RETRY_MS + 20 };
    leader.handOverRefusals.push(refusal, refusal);
    const error = await client.transferLeadership(0, 'fake-1').catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(RdbError);
    expect(error).to.include({ reason: 'SHARD_MOVING' });
    expect(String(error)).to.contain(message);
    expect(leader.handOverRefusals).to.have.length(1);
  });
});
