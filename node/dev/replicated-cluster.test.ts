/** Three real processes that keep three copies of everything: what a client sees when they fail. */
import { promisify } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import {
  ClusterClient,
  type TransferLeadershipRequest,
  type TransferLeadershipResponse,
} from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { Consistency } from '@r-db/proto/generated/rdb/v1/common.ts';
import {
  GetRequest,
  type GetResponse,
  KeyValueClient,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { Cluster } from 'ioredis';
import { after, before, describe, it } from 'mocha';
import { freePorts } from './free-ports.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';
import { LOCALHOST } from './ports.ts';

const SHARDS = 12;
const KEYS = Array.from({ length: 120 }, (_, number) => `key-${number}`);
const whole = { timeoutMs: 30_000 };

const leaderOf = (cluster: LocalCluster, key: string): string | undefined =>
  cluster.shard(keyToShard(key, SHARDS)).leader?.node;

function clientOf(cluster: LocalCluster): Cluster {
  const nodes = cluster.ports.map(({ resp }) => ({ host: LOCALHOST, port: resp }));
  return new Cluster(nodes, {
    clusterRetryStrategy: () => 20,
    // A failover takes about a second.
    maxRedirections: 500,
    retryDelayOnFailover: 20,
    retryDelayOnClusterDown: 20,
    retryDelayOnTryAgain: 20,
    slotsRefreshInterval: 500,
  });
}

/** Every shard has all of its copies in sync. */
const inSync = (cluster: LocalCluster): Promise<void> =>
  cluster.until((shards) => shards.every(({ inSync }) => inSync.length === 3), whole);

/** The new epoch. */
async function transfer(
  cluster: LocalCluster,
  leader: string | undefined,
  request: TransferLeadershipRequest,
): Promise<bigint> {
  const port = cluster.ports[Number(leader?.slice('local-'.length))]?.grpc;
  const caller = new ClusterClient(`${LOCALHOST}:${port}`, credentials.createInsecure());
  try {
    const call = promisify<TransferLeadershipRequest, TransferLeadershipResponse>(
      caller.transferLeadership.bind(caller),
    );
    return (await call(request)).epoch;
  } finally {
    caller.close();
  }
}

/** Asks one node until it has the last value: a follower is a moment behind. */
async function readAnyReplica(
  cluster: LocalCluster,
  node: string,
  key: string,
): Promise<GetResponse> {
  const port = cluster.ports[Number(node.slice('local-'.length))]?.grpc;
  const caller = new KeyValueClient(`${LOCALHOST}:${port}`, credentials.createInsecure());
  const get = promisify<GetRequest, GetResponse>(caller.get.bind(caller));
  const consistency = Consistency.ANY_REPLICA;
  const request = GetRequest.fromPartial({ key: Buffer.from(key), consistency });
  try {
    for (;;) {
      const answer = await get(request).catch((error: Error) => {
        // Nothing is known yet of how old its copy is.
        if (!/NOT_LEADER|leads/.test(String(error))) throw error;
      });
      if (answer !== undefined && Buffer.from(answer.value).toString() === 'for all') return answer;
    }
  } finally {
    caller.close();
  }
}

describe('a local cluster of three nodes with three copies', function () {
  this.timeout(60_000);
  let cluster: LocalCluster;
  let client: Cluster;
  before(async () => {
    cluster = await startLocalCluster({
      ports: await freePorts(3),
      shards: SHARDS,
      memoryLimitBytes: 512 * 1024 * 1024,
    });
    await inSync(cluster);
    client = clientOf(cluster);
  });
  after(async () => {
    client.disconnect();
    await cluster[Symbol.asyncDispose]();
  });

  it('keeps every write when a leader is killed, and serves on', async () => {
    await Promise.all(KEYS.map((key) => client.set(key, 'before')));
    const generations = Array.from(
      { length: SHARDS },
      (_, shard) => cluster.shard(shard).generation,
    );
    const [, killed] = cluster.nodes;
    const orphans = KEYS.filter((key) => leaderOf(cluster, key) === 'local-1');
    expect(orphans).to.not.have.length(0);
    killed?.signal('SIGKILL');
    expect(await Promise.all(KEYS.map((key) => client.get(key)))).to.deep.equal(
      KEYS.map(() => 'before'),
    );
    for (const key of orphans) expect(leaderOf(cluster, key)).to.not.equal('local-1');
    await Promise.all(KEYS.map((key) => client.set(key, 'after')));
    await inSync(cluster);
    expect(killed?.starts).to.equal(2);
    expect(
      Array.from({ length: SHARDS }, (_, shard) => cluster.shard(shard).generation),
    ).to.deep.equal(generations);
  });

  it('keeps every write when each node is killed in turn, once the one before is back', async () => {
    for (const [ordinal, node] of cluster.nodes.entries()) {
      await Promise.all(KEYS.map((key) => client.set(key, `round ${ordinal}`)));
      await inSync(cluster);
      node.signal('SIGKILL');
      expect(await Promise.all(KEYS.map((key) => client.get(key)))).to.deep.equal(
        KEYS.map(() => `round ${ordinal}`),
      );
      await cluster.until(
        (shards) =>
          shards.every(
            (shard) =>
              !shard.inSync.some(({ node: name }) => name === node.name && node.pid === undefined),
          ),
        whole,
      );
      await cluster.ready(whole);
      await inSync(cluster);
    }
  });

  it('hands leadership over when asked, without a failed operation', async () => {
    await inSync(cluster);
    const key = KEYS[0] ?? '';
    const shard = keyToShard(key, SHARDS);
    const { epoch, leader, inSync: members } = cluster.shard(shard);
    const to = members.find(({ node }) => node !== leader?.node)?.node ?? '';
    const running = { goes: true, written: 0 };
    const writing = (async () => {
      while (running.goes) await client.set(key, ++running.written);
    })();
    expect(await transfer(cluster, leader?.node, { shard, to })).to.equal(BigInt(epoch + 1));
    expect(leaderOf(cluster, key)).to.equal(to);
    running.goes = false;
    await writing;
    expect(await client.get(key)).to.equal(String(running.written));
  });

  it('reads from any replica, and tells how old that may be', async () => {
    await inSync(cluster);
    const key = KEYS[0] ?? '';
    await client.set(key, 'for all');
    const followers = cluster.nodes.filter(({ name }) => name !== leaderOf(cluster, key));
    expect(followers.length).to.equal(2);
    for (const { name } of followers) {
      const answer = await readAnyReplica(cluster, name, key);
      expect(answer.stalenessMs).to.be.within(1, 5_000);
    }
  });

  it('says why leadership is not handed over', async () => {
    const { leader } = cluster.shard(0);
    const failure = await transfer(cluster, leader?.node, { shard: 0, to: 'local-7' }).catch(
      (error: Error) => error,
    );
    expect(String(failure)).to.contain('local-7 is not in the in-sync set of shard 0');
  });

  it('hands over what a node leads when it is asked to end', async () => {
    await inSync(cluster);
    await Promise.all(KEYS.map((key) => client.set(key, 'kept')));
    const [first] = cluster.nodes;
    const epochs = Array.from({ length: SHARDS }, (_, shard) => cluster.shard(shard).epoch);
    const led = Array.from({ length: SHARDS }, (_, shard) => cluster.shard(shard).leader?.node);
    first?.signal('SIGTERM');
    await cluster.until(
      (shards) =>
        shards.every(({ leader }, shard) => led[shard] !== 'local-0' || leader?.node !== 'local-0'),
      whole,
    );
    expect(await Promise.all(KEYS.map((key) => client.get(key)))).to.deep.equal(
      KEYS.map(() => 'kept'),
    );
    for (let shard = 0; shard < SHARDS; shard++) {
      if (led[shard] !== 'local-0') continue;
      expect(cluster.shard(shard).epoch).to.equal((epochs[shard] ?? 0) + 1);
      expect(cluster.shard(shard).lastFailover).to.not.deep.include({
        node: 'local-0',
        cause: 'LeaderLost',
      });
    }
  });
});
