/** The client against a real cluster with three copies: what its users see when nodes go away. */

import { freePorts } from '@r-db/node/dev/free-ports.ts';
import { type LocalCluster, startLocalCluster } from '@r-db/node/dev/local-cluster.ts';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { type Client, connect } from './mod.ts';

const WHOLE_MS = 30_000;
const COUNTERS = 48;

describe('a client of a cluster with three copies', function () {
  this.timeout(120_000);
  let cluster: LocalCluster;
  let client: Client;

  before(async () => {
    cluster = await startLocalCluster({
      ports: await freePorts(3),
      shards: 12,
      replicationFactor: 3,
      memoryLimitBytes: 512 * 1024 * 1024,
    });
    await whole();
    const addresses = cluster.ports.map(({ grpc }) => `127.0.0.1:${grpc}`);
    client = await connect({ addresses, timeoutMs: 60_000 });
  });

  after(async () => {
    await client?.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  /** All copies of all shards are in sync. */
  const whole = (): Promise<void> =>
    cluster.until((shards) => shards.every(({ inSync }) => inSync.length === 3), {
      timeoutMs: WHOLE_MS,
    });

  /** Adds to counters all the time while `fault` goes on; what they hold then must be what was answered, no more and no less. */
  async function countThrough(name: string, fault: () => Promise<void>): Promise<void> {
    let going = true;
    const lanes = Array.from({ length: COUNTERS }, async (_, i) => {
      let answered = 0n;
      while (going) {
        answered++;
        expect(await client.increment(`${name}:${i}`)).to.equal(answered);
      }
      return answered;
    });
    try {
      await fault();
    } finally {
      going = false;
    }
    const answered = await Promise.all(lanes);
    const values = await Promise.all(answered.map((_, i) => client.get(`${name}:${i}`)));
    expect(values.map((value) => value?.text)).to.deep.equal(answered.map(String));
  }

  it('sees neither an error nor a write too many or too few when a leader is killed', async () => {
    await countThrough('killed', async () => {
      const victim = cluster.shard(0).leader;
      cluster.nodes.find(({ name }) => name === victim?.node)?.signal('SIGKILL');
      await cluster.until(
        (shards) => shards.every(({ leader }) => leader?.incarnation !== victim?.incarnation),
        { timeoutMs: WHOLE_MS },
      );
      await whole();
    });
  });

  it('sees none when a leader stands still until another one leads, and comes back', async () => {
    await countThrough('paused', async () => {
      const victim = cluster.shard(1).leader?.node;
      const node = cluster.nodes.find(({ name }) => name === victim);
      const moved = cluster.until((shards) => shards[1]?.leader?.node !== victim, {
        timeoutMs: WHOLE_MS,
      });
      node?.signal('SIGSTOP');
      try {
        await moved;
      } finally {
        node?.signal('SIGCONT');
      }
      await whole();
    });
  });

  it('sees none while leadership is handed over', async () => {
    await countThrough('handed', async () => {
      for (let shard = 0; shard < cluster.shards; shard++) {
        await whole();
        const { leader, inSync } = cluster.shard(shard);
        const to = inSync.find(({ node }) => node !== leader?.node)?.node ?? '';
        const epoch = await client.transferLeadership(shard, to);
        expect(epoch).to.be.greaterThan(0);
        expect(cluster.shard(shard).leader?.node).to.equal(to);
      }
    });
  });
});
