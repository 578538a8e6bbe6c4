/** Two hosts over real sockets: one finds that its machine was suspended. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { NodeAddresses } from '../agent/types.ts';
import type { Serving } from '../engine/types.ts';
import { ShardHost } from './host.ts';
import { stillEngine } from './testing/still-engine.ts';
import { newContent, storeShardLease } from './testing/stored-lease.ts';

const cluster = 'demo';
const clusterId = '6d1f6c1e-0000-4000-8000-000000000001';
const nodes = ['demo-0', 'demo-1'];
const incarnation = (ordinal: number) => `000000000000000${ordinal}`;

describe('a host that was suspended', () => {
  let hosts: ShardHost[];
  let wallAheadMs: number;
  let published: Serving[];
  let onPublished: () => void;

  /** What the first node's control block says, once it fits. */
  const servingThat = async (fits: (serving: Serving) => boolean): Promise<Serving> => {
    for (;;) {
      const last = published.at(-1);
      if (last !== undefined && fits(last)) return last;
      await new Promise<void>((resolve) => {
        onPublished = resolve;
      });
    }
  };
  const covered = (serving: Serving) =>
    serving.role === 'leader' &&
    serving.readUntilMs > realScheduler.nowMs() &&
    serving.readUntilMs < Number.POSITIVE_INFINITY;

  beforeEach(async () => {
    wallAheadMs = 0;
    published = [];
    onPublished = () => {};
    const leases = new MemoryLeases({ scheduler: realScheduler });
    storeShardLease(leases, { cluster, clusterId, shard: 0, content: newContent(nodes) });
    hosts = nodes.map((node, ordinal) => host(node, ordinal, leases));
    const addresses = new Map<string, NodeAddresses>();
    for (const [ordinal, one] of hosts.entries()) {
      const { network } = one;
      if (network === undefined) throw new Error('a host without a network');
      network.server.listen(0, '127.0.0.1');
      await once(network.server, 'listening');
      const { port } = network.server.address() as AddressInfo;
      const address = { host: '127.0.0.1', port };
      addresses.set(nodes[ordinal] ?? '', { resp: address, grpc: address, peer: address });
    }
    for (const one of hosts) {
      one.setAddresses(addresses);
      one.start();
    }
  });

  afterEach(async () => {
    for (const one of hosts) await one[Symbol.asyncDispose]();
  });

  const host = (node: string, ordinal: number, leases: MemoryLeases): ShardHost =>
    new ShardHost({
      cluster,
      clusterId,
      self: `${node}/${incarnation(ordinal)}`,
      ended: [],
      totalLoss: 'Hold',
      shards: 1,
      replication: { minInSync: 1, promiseMs: 3_000 },
      network: {
        self: {
          clusterId,
          node,
          incarnation: incarnation(ordinal),
          shards: 1,
          hashSeedCheck: 7n,
          version: 'test',
        },
        onRefused: () => {},
        onPeers: () => {},
      },
      shardTime: { nowMs: () => 0, heard: () => {}, adjust: () => {} },
      onResolved: () => {},
      onAbandoned: () => {},
      engine: stillEngine({
        publish: (_, serving) => {
          if (ordinal !== 0) return;
          published.push(serving);
          onPublished();
        },
      }),
      store: leases.client(node),
      scheduler: realScheduler,
      wallMs: () => Date.now() + (ordinal === 0 ? wallAheadMs : 0),
      seed: ordinal,
      onReport: () => {},
    });

  it('serves reads by none of the promises that it held, and by new ones', async () => {
    await servingThat(covered);
    const before = published.length;
    wallAheadMs = 60_000;
    await servingThat((serving) => serving.role === 'leader' && serving.readUntilMs === 0);
    expect(published[before], 'the first word since').to.include({
      role: 'leader',
      readUntilMs: 0,
    });
    await servingThat(covered);
  }).timeout(10_000);
});
