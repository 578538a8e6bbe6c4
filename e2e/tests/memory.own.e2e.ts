/** A follower whose memory is full, while its leader's is not: what it can't hold is refused, not lost. */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { until } from '../cluster/run.ts';
import { shardKeys } from '../history/keys.ts';
import { type RespStore, respConnect } from '../history/resp-store.ts';
import { nodeHost } from '../support/demo.ts';
import { makeFaultCluster } from '../support/fault-clusters.ts';
import { kubectl } from '../support/kubectl.ts';
import { type FaultCluster, Scene, whole } from '../support/scene.ts';
import { nodeOf } from '../support/shards.ts';

/** Two copies on three nodes: each node lacks a third of the shards, so that one may be fuller than the others. */
const cluster: FaultCluster = {
  ...{ namespace: 'e2e-histories', name: 'full', nodes: 3, shards: 12, replicationFactor: 2 },
};
const valueBytes = 256 * 1024;
/** More than the memory of a node, so that filling ends. */
const valuesMax = 512 * 1024 * 1024;
const fillersAtOnce = 4;
const removedMs = 20_000;

describe('a follower whose memory is full', function fullFollower() {
  this.timeout(180_000);
  before(async () => {
    await makeFaultCluster(cluster, {
      resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
    });
    await whole(cluster);
  });
  after(() => kubectl('delete', 'rdb', '-n', cluster.namespace, cluster.name, '--timeout=60s'));

  it('refuses what it can not hold; nothing is lost, and space makes room again', async () => {
    const hosts = [0, 1, 2].map((index) => nodeHost(cluster.namespace, cluster.name, index));
    // Each knows the cluster by itself: a long value takes long, and says nothing about the node to others.
    const connect = (shard: number) => respConnect(hosts.map((host) => `${host}:6379`))(shard);
    let refusedByLeader = 0;
    await Scene.play('memory of a follower full', cluster, async (scene) => {
      const shards = await scene.shards();
      const full = nodeOf(shards[0]?.inSync.find((each) => each !== shards[0]?.leader));
      const there = shards.filter(({ inSync }) => inSync.some((each) => nodeOf(each) === full));
      expect(there.length).to.be.below(cluster.shards);
      const filler = new Filler(
        connect,
        there.map(({ shard }) => shard),
      );
      const refused = await filler.fill();
      // Those that another node leads: that one has room, and refuses for its follower.
      const led = there.filter(({ leader }) => nodeOf(leader) !== full).map(({ shard }) => shard);
      refusedByLeader = led.filter((shard) => refused.has(shard)).length;
      await filler.empty();
      await scene.whole();
    });
    expect(refusedByLeader).to.be.above(0);
  });
});

interface Filled {
  readonly shard: number;
  readonly store: RespStore;
}

/** Writes long values to shards, until every one of them refuses. */
class Filler {
  readonly #stores: readonly Filled[];
  readonly #keys = new Map<number, string>();
  readonly #written: { readonly shard: number; readonly key: string }[] = [];

  constructor(connect: (shard: number) => RespStore, shards: readonly number[]) {
    this.#stores = shards.map((shard) => ({ store: connect(shard), shard }));
    for (const { shard, registers } of shardKeys('filler', cluster.shards)) {
      this.#keys.set(shard, registers[0] ?? '');
    }
  }

  /** The shards that have refused a write for want of memory. */
  async fill(): Promise<ReadonlySet<number>> {
    const refused = new Set<number>();
    const value = randomBytes((valueBytes * 3) / 4).toString('base64'); // not to be compressed
    let bytes = 0;
    const worker = async (mine: readonly Filled[]) => {
      while (bytes < valuesMax && mine.some(({ shard }) => !refused.has(shard))) {
        for (const { store, shard } of mine) {
          const key = `${this.#keys.get(shard)}:${this.#written.length}`;
          const answer = await store.write(key, value);
          if (answer.outcome !== 'failed') {
            this.#written.push({ shard, key }); // or perhaps written, if that is unknown
            bytes += valueBytes;
          } else if (answer.error === 'OOM') refused.add(shard);
        }
      }
    };
    const parts = Array.from({ length: fillersAtOnce }, (_, part) =>
      this.#stores.filter((_store, index) => index % fillersAtOnce === part),
    );
    await Promise.all(parts.map(worker));
    return refused;
  }

  async empty(): Promise<void> {
    const stores = new Map(this.#stores.map(({ shard, store }) => [shard, store]));
    for (const { shard, key } of this.#written) {
      await until(
        `${key} is removed`,
        removedMs,
        async () => (await stores.get(shard)?.remove(key))?.outcome === 'ok',
      );
    }
    for (const { store } of this.#stores) store.close();
  }
}
